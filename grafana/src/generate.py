#!/usr/bin/env python3
"""Writes the dashboards and the chart's copies of dashboards and rules. With `--check` it writes nothing and says which are
stale, or have a defect."""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

import cluster
import fairness
import lint
import load
import node

GRAFANA = Path(__file__).resolve().parents[1]
CHART = GRAFANA.parent / "charts/blockchat/files"
DASHBOARDS = {"cluster": cluster, "node": node, "load": load, "fairness": fairness}


def texts():
    """Every dashboard as Grafana reads it, by name."""
    return {name: JSONEncoder(sort_keys=True, indent=1).encode(module.build().build()) + "\n" for name, module in DASHBOARDS.items()}


def files():
    """Every file that is made here, with its text."""
    made = {CHART / "rules.yaml": (GRAFANA / "rules/blockchat.yaml").read_text()}
    for name, text in texts().items():
        for folder in (GRAFANA / "dashboards", CHART / "dashboards"):
            made[folder / f"{name}.json"] = text
    return made


def main():
    """Writes, or checks."""
    defects = [f"{name}: {text}" for name, made in texts().items() for text in lint.problems(json.loads(made))]
    if defects:
        sys.exit("\n".join(defects))
    made = files()
    if sys.argv[1:] == ["--check"]:
        stale = [str(path.relative_to(GRAFANA.parent)) for path, text in made.items() if not path.exists() or path.read_text() != text]
        extra = [str(path) for folder in {path.parent for path in made if path.suffix == ".json"} for path in folder.glob("*.json") if path not in made]
        if stale or extra:
            sys.exit("stale, `make dashboards` makes them anew: " + ", ".join(stale + extra))
        return
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
