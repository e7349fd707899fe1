"""What all dashboards share: kinds of panels, units, colours, variables, annotations, links, and the grid.

`figure`, `lines` and `by_member` make a panel of its title, what it shows and what is good or bad, its unit and its
queries. What they return is the SDK's own builder: a dashboard can still set what is particular to one panel.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from grafana_foundation_sdk.builders import barchart, common, prometheus, stat, timeseries
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as choice
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from . import queries
from .queries import Query

# The user picks the Prometheus: nothing here may name one.
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "blockchat"
# The base of the alerts' `runbook` annotations. Whoever serves the pages enters their URL in its place.
RUNBOOKS = "docs/runbooks"

# Units. `none` shows every digit of a height; `short` would make it 12 K.
NUMBER, SECONDS, SHARE, BYTES, BYTES_PER_SECOND = "none", "s", "percentunit", "bytes", "binBps"
TX_PER_SECOND, REQUESTS_PER_SECOND, PER_SECOND = "suffix:tx/s", "reqps", "ops"
BCC, BCC_PER_SECOND, MICRO_BCC = "suffix:BCC", "suffix:BCC/s", "suffix:µBCC"

# Columns of the legend's table. A mean of heights or of states means nothing: those show the last value.
TREND = ("mean", "max", "lastNotNull")
LAST = ("lastNotNull",)

# Red is kept for limits and faults, orange for warnings. A series that is named here has one colour on all panels.
GOOD, NEUTRAL, WARNING, BAD = "green", "blue", "orange", "red"
COLOURS = {
    "mean": "blue",
    "p50": "green",
    "p95": "yellow",
    "p99": "purple",
    "offered": "text",
    "accepted": "blue",
    "committed": "green",
    "connected": "green",
    "quorum": BAD,
    "Stake": "blue",
    "Blocks": "yellow",
}
# What is aimed at, or must not be undercut, is dashed.
DASHED = ("offered", "quorum")

Limits = Sequence[tuple[float, str]]
Panel = Any  # A builder of any kind of panel: the SDK has no type for what they share.


class Section(NamedTuple):
    """Panels under a heading."""

    title: str
    panels: Sequence[Panel]


def _colour(name: str, mode: model.FieldColorModeId = model.FieldColorModeId.FIXED) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val="color", value={"mode": mode, "fixedColor": name})


def _thresholds(base: str, limits: Limits) -> build.ThresholdsConfig:
    steps = [model.Threshold(value=None, color=base)]
    steps += [model.Threshold(value=value, color=colour) for value, colour in limits]
    return build.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps)


def _panel(panel: Panel, title: str, about: str, unit: str, asked: Sequence[Query], runbook: str | None) -> None:
    """What every kind of panel has."""
    panel.title(title).description(about).unit(unit).datasource(SOURCE)
    for number, query in enumerate(asked):
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).datasource(SOURCE)
        panel.with_target(target.range().ref_id(chr(ord("A") + number)))
    if unit == NUMBER:
        panel.decimals(0)
    if runbook is not None:
        link = build.DashboardLink("Runbook").type(model.DashboardLinkType.LINK)
        panel.links([link.url(f"${{runbooks}}/{runbook}.md").target_blank(True)])


def figure(
    title: str, about: str, unit: str, asked: Sequence[Query], *, limits: Limits = (), runbook: str | None = None
) -> stat.Panel:
    """The newest value, large, with its course behind it. Blue is neither good nor bad; with limits, green is good."""
    panel = stat.Panel().graph_mode(choice.BigValueGraphMode.AREA).color_mode(choice.BigValueColorMode.VALUE)
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.thresholds(_thresholds(GOOD if limits else NEUTRAL, limits))
    _panel(panel, title, about, unit, asked, runbook)
    return panel


def lines(
    title: str,
    about: str,
    unit: str,
    asked: Sequence[Query],
    *,
    limits: Limits = (),
    runbook: str | None = None,
    columns: Sequence[str] = TREND,
    floor: float | None = 0,
    ceiling: float | None = None,
    stacked: bool = False,
) -> timeseries.Panel:
    """Series over time. Limits are dashed lines. A series has a gap where it was absent for more than half a minute."""
    legend = common.VizLegendOptions().display_mode(choice.LegendDisplayMode.TABLE).show_legend(True)
    legend.placement(choice.LegendPlacement.BOTTOM).calcs(list(columns)).sort_by("Last *").sort_desc(True)
    tooltip = common.VizTooltipOptions().mode(choice.TooltipDisplayMode.MULTI).sort(choice.SortOrder.DESCENDING)
    mode = choice.GraphThresholdsStyleMode.DASHED if limits else choice.GraphThresholdsStyleMode.OFF
    panel = timeseries.Panel().legend(legend).tooltip(tooltip).line_width(1).span_nulls(30_000)
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    panel.thresholds(_thresholds("transparent", limits)).thresholds_style(
        common.GraphThresholdsStyleConfig().mode(mode)
    )
    panel.fill_opacity(25 if stacked else 5)
    if stacked:
        panel.stacking(common.StackingConfig().mode(choice.StackingMode.NORMAL))
    if floor is not None:
        panel.min(floor)
    if ceiling is not None:
        panel.max(ceiling)
    for query in asked:
        if query.legend in COLOURS:
            properties = [_colour(COLOURS[query.legend])]
            if query.legend in DASHED:
                dashes = {"fill": "dash", "dash": [8, 8]}
                properties.append(model.DynamicConfigValue(id_val="custom.lineStyle", value=dashes))
            panel.override_by_name(query.legend, properties)
    _panel(panel, title, about, unit, asked, runbook)
    return panel


def colour_statuses(panel: timeseries.Panel) -> timeseries.Panel:
    """Series whose names end with an HTTP status: shades of green, orange and red by its class."""
    for digit, colour in ((2, GOOD), (4, WARNING), (5, BAD)):
        panel.override_by_regexp(f"/{digit}\\d\\d$/", [_colour(colour, model.FieldColorModeId.SHADES)])
    return panel


def by_member(
    title: str, about: str, unit: str, columns: dict[str, Query], *, runbook: str | None = None
) -> barchart.Panel:
    """Bars side by side for each member, for the dashboard's whole time range: one instant query a column."""
    legend = common.VizLegendOptions().display_mode(choice.LegendDisplayMode.LIST).show_legend(len(columns) > 1)
    legend.placement(choice.LegendPlacement.BOTTOM).calcs([])
    tooltip = common.VizTooltipOptions().mode(choice.TooltipDisplayMode.MULTI).sort(choice.SortOrder.NONE)
    panel = barchart.Panel().legend(legend).tooltip(tooltip).x_field("member")
    panel.orientation(choice.VizOrientation.AUTO).stacking(choice.StackingMode.NONE).group_width(0.7).fill_opacity(80)
    panel.show_value(choice.VisibilityMode.AUTO).decimals(1).axis_label("").thresholds(_thresholds(NEUTRAL, ()))
    panel.color_scheme(build.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
    _panel(panel, title, about, unit, (), runbook)
    # A table has its value in a column named after the query; joined by member, each becomes a bar of the member.
    names = {}
    for number, (name, query) in enumerate(columns.items()):
        ref = chr(ord("A") + number)
        target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).datasource(SOURCE).ref_id(ref)
        panel.with_target(target.instant().format(PromQueryFormat.TABLE))
        names["Value" if len(columns) == 1 else f"Value #{ref}"] = name
        if name in COLOURS:
            panel.override_by_name(name, [_colour(COLOURS[name])])
    times = {name: True for name in ("Time", "Time 1", "Time 2")}
    tidy = {"excludeByName": times, "indexByName": {}, "renameByName": names}
    panel.with_transformation(
        model.DataTransformerConfig(id_val="joinByField", options={"byField": "member", "mode": "outer"})
    )
    in_order = {"fields": {}, "sort": [{"field": "member"}]}
    panel.with_transformation(model.DataTransformerConfig(id_val="sortBy", options=in_order))
    return panel.with_transformation(model.DataTransformerConfig(id_val="organize", options=tidy))


class Event(model.AnnotationQuery, Builder[model.AnnotationQuery]):
    """A mark in every panel where an expression holds. The SDK's model lacks the texts that Prometheus can give it."""

    def __init__(self, name: str, expr: str, colour: str, text: str) -> None:
        super().__init__(name=name, datasource=SOURCE, icon_color=colour, expr=expr)
        self.text = text

    def build(self) -> model.AnnotationQuery:
        """It builds itself."""
        return self

    def to_json(self) -> dict[str, object]:
        return super().to_json() | {"titleFormat": self.name, "textFormat": self.text, "step": "10s"}


def _variable(name: str, label: str, about: str, query: str) -> build.QueryVariable:
    """Values of a label, several or all. `All` is `.*`, which also matches series without the label."""
    everything = model.VariableOption(text="All", value="$__all", selected=True)
    variable = build.QueryVariable(name).label(label).description(about).datasource(SOURCE).current(everything)
    variable.query({"query": query, "refId": name}).refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
    return variable.sort(model.VariableSort.NATURAL_ASC).multi(True).include_all(True).all_value(".*")


def _variables(used: str) -> list[Any]:
    """The same on every dashboard, so that links carry them along. One that the panels do not use is hidden."""
    node = _variable(
        "node",
        "Node",
        "Nodes by their address.",
        'label_values(blockchat_build_info{namespace=~"$namespace"}, instance)',
    )
    member = _variable(
        "member",
        "Member",
        "Members by their id, in the panels that show something for each of them.",
        'label_values(blockchat_member_last_signed_height{namespace=~"$namespace"}, member)',
    )
    for name, variable in (("node", node), ("member", member)):
        if f"${name}" not in used:
            variable.hide(model.VariableHide.HIDE_VARIABLE)
    about = "Networks by namespace; figures of several are shown as if they were one."
    runbooks = build.TextBoxVariable("runbooks").label("Runbooks at").default_value(RUNBOOKS)
    return [
        build.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        _variable("namespace", "Namespace", about, "label_values(blockchat_build_info, namespace)"),
        node,
        member,
        runbooks.current(model.VariableOption(text=RUNBOOKS, value=RUNBOOKS, selected=True)),
    ]


def _in_lines(panels: Sequence[Panel]) -> list[Sequence[Panel]]:
    """As few lines as will do, each as long as the others: six figures a line, or three of anything else."""
    most = 6 if all(isinstance(panel, stat.Panel) for panel in panels) else 3
    count = -(-len(panels) // most)
    bounds = [len(panels) * line // count for line in range(count + 1)]
    return [panels[start:end] for start, end in pairwise(bounds)]


def dashboard(name: str, about: str, sections: Sequence[Section]) -> model.Dashboard:
    """Puts the sections below one another, every line filled, and numbers the panels."""
    made = build.Dashboard(f"BlockChat: {name}").uid(f"blockchat-{name}").description(about).tags([TAG]).editable()
    made.time("now-30m", "now").refresh("10s").tooltip(model.DashboardCursorSync.CROSSHAIR)
    links = build.DashboardLink("BlockChat").type(model.DashboardLinkType.DASHBOARDS).tags([TAG])
    made.link(links.as_dropdown(False).include_vars(True).keep_time(True))
    made.annotation(Event("Restart", queries.RESTARTS, "blue", "{{instance}} has started"))
    made.annotation(Event("Evidence", queries.NEW_EVIDENCE, "red", "{{instance}} has evidence of kind {{kind}}"))
    for section in sections:
        made.with_row(build.Row(section.title))
        for line in _in_lines(section.panels):
            width, left = divmod(24, len(line))
            for number, panel in enumerate(line):
                height = 4 if isinstance(panel, stat.Panel) else 9
                made.with_panel(panel.span(width + (number < left)).height(height))
    panels = made.build().panels or []
    for number, panel in enumerate(panels, 1):
        panel.id_val = number
    made.variables(_variables(JSONEncoder().encode(panels)))
    return made.build()
