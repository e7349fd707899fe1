"""Writes the dashboards, and the chart's copies of them and of the rules.

    generate.py            write what the sources say (`make dashboards`)
    generate.py --check    write nothing; fail if a committed file says something else (`make rules`)

Either way every dashboard is examined first: what a reader would stumble over is never written.
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from boards import cluster, fairness, load, node
from lint import faults

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = ROOT / "docs/runbooks"
RULES = ROOT / "grafana/rules/blockchat.yaml"
CHART = ROOT / "charts/blockchat/files"
# Compose mounts the first, the chart makes ConfigMaps of the second.
FOLDERS = (ROOT / "grafana/dashboards", CHART / "dashboards")


def dashboards() -> dict[str, str]:
    """The text of every dashboard, by the name of its source."""
    # Sorted, so that the order of keys within the SDK is no part of a difference.
    encoder = JSONEncoder(indent=2, ensure_ascii=False, sort_keys=True)
    sources = (cluster, node, load, fairness)
    return {source.__name__.rpartition(".")[2]: encoder.encode(source.make()) + "\n" for source in sources}


def files(texts: dict[str, str]) -> dict[Path, str]:
    """Every file that is made here, with its text."""
    made = {folder / f"{name}.json": text for folder in FOLDERS for name, text in texts.items()}
    return made | {CHART / "rules.yaml": RULES.read_text(encoding="utf-8")}


def stale(made: dict[Path, str]) -> list[Path]:
    """Files that differ from what the sources say, are missing, or have no source any more."""
    differ = [path for path, text in made.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    return differ + [path for folder in FOLDERS for path in folder.glob("*.json") if path not in made]


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    texts = dashboards()
    found = faults({name: json.loads(text) for name, text in texts.items()}, RUNBOOKS)
    for fault in found:
        print(fault, file=sys.stderr)
    if found:
        return 1
    made = files(texts)
    outdated = stale(made)
    if arguments:
        for path in outdated:
            print(f"{path.relative_to(ROOT)} is stale", file=sys.stderr)
        if outdated:
            print("`make dashboards` writes them anew from grafana/src and grafana/rules", file=sys.stderr)
        return 1 if outdated else 0
    for path in outdated:
        if path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], encoding="utf-8")
        else:
            path.unlink()
        print(f"{'wrote' if path in made else 'removed'} {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
