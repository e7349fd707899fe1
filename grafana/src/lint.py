"""What every dashboard must have, checked on what Grafana would read."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = 24
GRAFANAS_OWN = {"__rate_interval", "__range", "__interval", "__all"}


def problems(dashboard, runbooks=ROOT / "docs/runbooks"):
    """Everything that is wrong with a dashboard (as parsed JSON), in words."""
    found = []
    panels = dashboard["panels"]
    drawn = [panel for panel in panels if panel["type"] != "row"]
    known = {variable["name"] for variable in dashboard["templating"]["list"]}
    for name in {"datasource", "namespace", "member", "runbooks"} - known:
        found.append(f"no variable {name}")
    ids = [panel["id"] for panel in panels]
    if len(set(ids)) != len(ids):
        found.append("two panels have the same id")
    for panel in drawn:
        found += [f"{panel.get('title') or 'a panel without title'}: {text}" for text in _panel(panel, known, runbooks)]
    return found + list(_places(panels))


def _panel(panel, variables, runbooks):
    if not panel.get("title"):
        yield "it has no title"
    if len(panel.get("description") or "") < 10:
        yield "no description says what it shows"
    if not panel["fieldConfig"]["defaults"].get("unit"):
        yield "it has no unit"
    if not panel.get("targets"):
        yield "it shows nothing"
    for thing in [panel, *panel.get("targets", [])]:
        if (thing.get("datasource") or {}).get("uid") != "${datasource}":
            yield "its data source is fixed"
    for target in panel.get("targets", []):
        if not target.get("legendFormat"):
            yield "a query has no legend"
        expression = target.get("expr", "")
        if re.search(r"\bjob\s*=", expression):
            yield "a query names a job"
        if 'namespace=~"$namespace"' not in expression:
            yield "a query does not follow the namespace"
        for name in set(re.findall(r"\$\{?(\w+)", expression)) - variables - GRAFANAS_OWN:
            yield f"a query uses an unknown variable {name}"
    for link in panel.get("links", []):
        page = re.fullmatch(r"\$\{runbooks\}/([\w-]+\.md)", link["url"])
        if not page or not (runbooks / page[1]).is_file():
            yield f"{link['url']} is no runbook"


def _places(panels):
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] + place["w"] > COLUMNS:
            yield f"{panel['title']}: it stands out of the {COLUMNS} columns"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                other = taken.setdefault((x, y), panel["title"])
                if other != panel["title"]:
                    yield f"{panel['title']}: it covers {other}"
                    return
