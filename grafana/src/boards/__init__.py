"""The dashboards' sources: what is asked, how it is shown, and where.

- `queries` holds every PromQL expression with its legend, and nothing about looks.
- `parts` holds what all dashboards share: panels, variables, annotations, links, colours.
- `cluster`, `node`, `load` and `fairness` each put panels into sections, one dashboard a file.

A new panel is a query and one call:

    # queries.py
    CHECKPOINTS = [Query(f"blockchat_checkpoint_height{{{ALL}}}", "{{instance}}")]

    # cluster.py, in the section where it belongs
    lines("Checkpoints", "Each node's newest one; the lines should lie on one another.", NUMBER, queries.CHECKPOINTS),

Its place and width follow from the section. `make dashboards` writes the JSON.
"""
