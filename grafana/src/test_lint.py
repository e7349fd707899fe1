"""Each rule of the lint fails when it is broken: a real dashboard with one thing wrong gets exactly one line."""

import copy
import json
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import generate
from boards import parts, queries
from lint import Json, faults

DASHBOARDS = {name: json.loads(text) for name, text in generate.dashboards().items()}


def panel(dashboard: Json, title: str = "Height by node") -> Json:
    panels: list[Json] = dashboard["panels"]
    return next(panel for panel in panels if panel.get("title") == title)


def target(dashboard: Json) -> Json:
    targets: list[Json] = panel(dashboard)["targets"]
    return targets[0]


def variable(dashboard: Json, name: str) -> Json:
    variables: list[Json] = dashboard["templating"]["list"]
    return next(variable for variable in variables if variable["name"] == name)


# What is done to the dashboard `cluster`, and what is said about it.
BROKEN: list[tuple[str, Callable[[Json], object]]] = [
    ("cluster: has no uid", lambda board: board.update(uid="")),
    ("cluster: has no title", lambda board: board.pop("title")),
    ("cluster: has no description", lambda board: board.pop("description")),
    ("the uid 'blockchat-node' is not unique", lambda board: board.update(uid="blockchat-node")),
    ("the title 'BlockChat: node' is not unique", lambda board: board.update(title="BlockChat: node")),
    ("cluster: the panel id 2 is not unique", lambda board: panel(board).update(id=2)),
    ("cluster: the title 'Throughput' is not unique", lambda board: panel(board).update(title="Throughput")),
    ("cluster: a panel: has no title", lambda board: panel(board).pop("title")),
    ("Height by node: has no id", lambda board: panel(board).pop("id")),
    ("Height by node: has no description", lambda board: panel(board).update(description="")),
    ("Height by node: has no unit", lambda board: panel(board)["fieldConfig"]["defaults"].pop("unit")),
    ("Height by node: has no query", lambda board: panel(board).pop("targets")),
    ("its data source is not ${datasource}", lambda board: panel(board)["datasource"].update(uid="prometheus")),
    ("its data source is not ${datasource}", lambda board: target(board).pop("datasource")),
    ("has an empty query", lambda board: target(board).update(expr="")),
    ("has a query without legend: ", lambda board: target(board).update(legendFormat="")),
    ("names a job: ", lambda board: target(board).update(expr='up{job=~"blockchat"}')),
    ("the query id A is not unique", lambda board: panel(board)["targets"].append(target(board))),
    ("runbook none.md, which does not exist", lambda board: panel(board)["links"][0].update(url="${runbooks}/none.md")),
    ("is no runbook below ${runbooks}", lambda board: panel(board)["links"][0].update(url="docs/runbooks/stalled.md")),
    ("leaves the grid of 24 columns", lambda board: panel(board, "Blocks behind")["gridPos"].update(w=9)),
    ("Height by node and Spread of heights overlap", lambda board: panel(board)["gridPos"].update(w=9)),
    ("uses the variable network, which does not exist", lambda board: target(board).update(expr='up{a="$network"}')),
    ("uses the variable network, which", lambda board: target(board).update(expr='up{a="${network:regex}"}')),
    ("shows the variable node, which nothing uses", lambda board: variable(board, "node").pop("hide")),
    ("`All` has to be `.*`", lambda board: variable(board, "namespace").pop("allValue")),
    ("has no variable node", lambda board: board["templating"]["list"].remove(variable(board, "node"))),
    ("annotation Restart: its data", lambda board: board["annotations"]["list"][0].pop("datasource")),
    ("annotation Restart: names a job", lambda board: board["annotations"]["list"][0].update(expr='up{job="a"}')),
]


class Lint(unittest.TestCase):
    """The rules."""

    def test_the_dashboards_have_no_faults(self) -> None:
        self.assertEqual(faults(DASHBOARDS, generate.RUNBOOKS), [])

    def test_every_rule_can_fail(self) -> None:
        for expected, damage in BROKEN:
            with self.subTest(expected):
                boards = copy.deepcopy(DASHBOARDS)
                damage(boards["cluster"])
                found = [fault for fault in faults(boards, generate.RUNBOOKS) if "no panel is called" not in fault]
                self.assertEqual(len(found), 1, found)
                self.assertIn(expected, found[0])

    def test_a_dashboard_without_panels_is_a_fault(self) -> None:
        boards = DASHBOARDS | {"empty": DASHBOARDS["load"] | {"uid": "empty", "title": "empty", "panels": []}}
        self.assertIn("empty: has no panels", faults(boards, generate.RUNBOOKS))

    def test_a_runbook_that_names_a_missing_panel_is_a_fault(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for page in generate.RUNBOOKS.glob("*.md"):
                (Path(folder) / page.name).write_bytes(page.read_bytes())
            (Path(folder) / "new.md").write_text("Look at **all** of *Log sync* and *Nothing*.")
            self.assertEqual(faults(DASHBOARDS, Path(folder)), ["new.md: no panel is called 'Nothing'"])


class Files(unittest.TestCase):
    """What `--check` compares."""

    def test_changed_missing_and_superfluous_files_are_stale(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            same, changed, missing, orphan = (Path(folder) / f"{name}.json" for name in "abcd")
            same.write_text("1")
            changed.write_text("0")
            orphan.write_text("1")
            with mock.patch.object(generate, "FOLDERS", (Path(folder),)):
                self.assertEqual(generate.stale({same: "1", changed: "1", missing: "1"}), [changed, missing, orphan])


class Layout(unittest.TestCase):
    """Every line of panels is filled, however many a section has."""

    def test_lines_fill_the_grid(self) -> None:
        for count in range(1, 10):
            asked = queries.HEIGHT
            for kind in (parts.lines, parts.figure):
                panels = [kind(f"{number}", "about", parts.NUMBER, asked) for number in range(count)]
                made = parts.dashboard("test", "about", [parts.Section("section", panels)]).panels or []
                widths: dict[int, int] = {}
                for shown in made[1:]:
                    assert shown.grid_pos is not None
                    widths[shown.grid_pos.y] = widths.get(shown.grid_pos.y, 0) + shown.grid_pos.w
                self.assertEqual(set(widths.values()), {24}, (kind, count))


if __name__ == "__main__":
    unittest.main()
