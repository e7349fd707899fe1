"""What every dashboard must have, looked for in the JSON that Grafana reads, whatever made it."""

import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

WIDTH = 24
VARIABLES = ("datasource", "namespace", "node", "member", "runbooks")
SOURCE = "${datasource}"
# `$name`, `${name}`, `${name:format}`; Grafana's own begin with two underscores.
_USE = re.compile(r"\$(?:\{(\w+)[^}]*\}|(\w+))")
_JOB = re.compile(r"\bjob\s*(=|!=|=~|!~)")
_LINK = re.compile(r"\$\{runbooks\}/([\w-]+\.md)")
# A runbook names a panel in italics.
_MENTION = re.compile(r"(?<!\*)\*([^*\n]+)\*(?!\*)")

Json = dict[str, Any]


def faults(dashboards: dict[str, Json], runbooks: Path) -> list[str]:
    """A line for everything that is wrong, with where it is."""
    found = [f"{name}: {fault}" for name, dashboard in dashboards.items() for fault in _dashboard(dashboard, runbooks)]
    for key in ("uid", "title"):
        values = [dashboard.get(key) for dashboard in dashboards.values()]
        found += [f"the {key} {value!r} is not unique" for value in _repeated(values)]
    titles = {panel.get("title") for dashboard in dashboards.values() for panel in dashboard.get("panels", [])}
    for page in sorted(runbooks.glob("*.md")):
        mentions = _MENTION.findall(page.read_text(encoding="utf-8"))
        found += [f"{page.name}: no panel is called {title!r}" for title in mentions if title not in titles]
    return found


def _repeated(values: list[Any]) -> list[Any]:
    return sorted({value for value in values if values.count(value) > 1}, key=str)


def _dashboard(dashboard: Json, runbooks: Path) -> Iterator[str]:
    for key in ("uid", "title", "description"):
        if not dashboard.get(key):
            yield f"has no {key}"
    panels = dashboard.get("panels", [])
    shown = [panel for panel in panels if panel.get("type") != "row"]
    if not shown:
        yield "has no panels"
    yield from (f"the panel id {number} is not unique" for number in _repeated([panel.get("id") for panel in panels]))
    yield from (f"the title {title!r} is not unique" for title in _repeated([panel.get("title") for panel in shown]))
    for panel in shown:
        yield from (f"{panel.get('title') or 'a panel'}: {fault}" for fault in _panel(panel, runbooks))
    for mark in dashboard.get("annotations", {}).get("list", []):
        if mark.get("datasource", {}).get("uid") != SOURCE:
            yield f"annotation {mark.get('name')}: its data source is not {SOURCE}"
        if _JOB.search(mark.get("expr", "")):
            yield f"annotation {mark.get('name')}: names a job"
    yield from _grid(panels)
    yield from _variables(dashboard)


def _panel(panel: Json, runbooks: Path) -> Iterator[str]:
    for key in ("id", "title", "description"):
        if not panel.get(key):
            yield f"has no {key}"
    if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
        yield "has no unit"
    targets = panel.get("targets", [])
    if not targets:
        yield "has no query"
    for asked in [panel, *targets]:
        if asked.get("datasource", {}).get("uid") != SOURCE:
            yield f"its data source is not {SOURCE}"
    yield from (f"the query id {ref} is not unique" for ref in _repeated([target.get("refId") for target in targets]))
    for target in targets:
        if not target.get("expr"):
            yield "has an empty query"
        if not target.get("legendFormat"):
            yield f"has a query without legend: {target.get('expr')}"
        if _JOB.search(target.get("expr", "")):
            yield f"names a job: {target['expr']}"
    for link in panel.get("links", []):
        page = _LINK.fullmatch(link.get("url", ""))
        if page is None:
            yield f"links to {link.get('url')!r}, which is no runbook below ${{runbooks}}"
        elif not (runbooks / page[1]).is_file():
            yield f"links to the runbook {page[1]}, which does not exist"


def _grid(panels: list[Json]) -> Iterator[str]:
    for panel in panels:
        place = panel.get("gridPos", {})
        x, y, width, height = (place.get(key, 0) for key in "xywh")
        if x < 0 or y < 0 or width < 1 or height < 1 or x + width > WIDTH:
            yield f"{panel.get('title')}: {place} leaves the grid of {WIDTH} columns"
    for one, other in combinations(panels, 2):
        if _overlap(one.get("gridPos", {}), other.get("gridPos", {})):
            yield f"{one.get('title')} and {other.get('title')} overlap"


def _overlap(one: Json, other: Json) -> bool:
    def meet(start: str, length: str) -> bool:
        first, second = one.get(start, 0), other.get(start, 0)
        return bool(first < second + other.get(length, 0) and second < first + one.get(length, 0))

    return meet("x", "w") and meet("y", "h")


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for item in value.values() for text in _strings(item))
    elif isinstance(value, list):
        yield from (text for item in value for text in _strings(item))


def _variables(dashboard: Json) -> Iterator[str]:
    variables = {variable["name"]: variable for variable in dashboard.get("templating", {}).get("list", [])}
    used = {one or other for text in _strings(dashboard) for one, other in _USE.findall(text)}
    yield from (f"has no variable {name}" for name in VARIABLES if name not in variables)
    for name in sorted(used):
        if name not in variables and not name.startswith("__"):
            yield f"uses the variable {name}, which does not exist"
    for name, variable in variables.items():
        if name not in used and variable.get("hide") != 2:
            yield f"shows the variable {name}, which nothing uses"
        if variable.get("includeAll") and variable.get("allValue") != ".*":
            yield f"the variable {name} loses series without its label: `All` has to be `.*`"
