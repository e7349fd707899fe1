"""What all dashboards are made of: panels, rows, variables, annotations and links.

A dashboard is written as rows of panels, a panel as title, unit, queries with their legends, and one or two sentences that
say what is good and what is bad. Where a panel stands follows from its width.
"""

from grafana_foundation_sdk.builders.bargauge import Panel as BarGauge
from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    ReduceDataOptions,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
    TextBoxVariable,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

import queries

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WIDTH = 24
TAG = "blockchat"
# Where runbooks are read: the reader's own place, if it is another one.
RUNBOOKS = "docs/runbooks"


def _common(panel, title, unit, targets, about, runbook, thresholds, decimals):
    steps = [Threshold(color="green", value=None)] + [Threshold(color=color, value=value) for value, color in thresholds]
    panel.title(title).description(about).datasource(SOURCE).unit(unit)
    panel.thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    if decimals is not None:
        panel.decimals(decimals)
    for number, (expression, legend) in enumerate(targets):
        panel.with_target(
            Dataquery().ref_id(chr(ord("A") + number)).datasource(SOURCE).expr(expression).legend_format(legend)
        )
    if runbook:
        panel.links([DashboardLink("Runbook").type(DashboardLinkType.LINK).url(f"${{runbooks}}/{runbook}.md").target_blank(True)])
    return panel


def stat(title, unit, expression, about, legend, *, runbook=None, thresholds=(), decimals=None, width=6):
    """One number of this moment, over a faint line of its past."""
    panel = _common(Stat(), title, unit, [(expression, legend)], about, runbook, thresholds, decimals)
    panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"])).graph_mode(BigValueGraphMode.AREA)
    return panel.height(4).span(width)


def series(title, unit, targets, about, *, runbook=None, thresholds=(), decimals=None, stack=False, lowest=0, width=8):
    """Lines over time; a table of what they were below."""
    panel = _common(Timeseries(), title, unit, targets, about, runbook, thresholds, decimals)
    if lowest is not None:
        panel.min(lowest)
    panel.line_width(1).fill_opacity(25 if stack else 8).show_points(VisibilityMode.NEVER)
    if stack:
        panel.stacking(StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if thresholds:
        panel.thresholds_style(GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE))
    panel.legend(
        VizLegendOptions()
        .display_mode(LegendDisplayMode.TABLE)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
        .calcs(["mean", "max", "lastNotNull"])
    )
    panel.tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    return panel.height(9).span(width)


def bars(title, unit, targets, about, *, runbook=None, decimals=None, highest=None, width=12):
    """One bar for each series, as it is now."""
    panel = _common(BarGauge(), title, unit, targets, about, runbook, (), decimals)
    panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"])).orientation(VizOrientation.HORIZONTAL)
    panel.display_mode(BarGaugeDisplayMode.BASIC).min(0)
    if highest is not None:
        panel.max(highest)
    return panel.height(9).span(width)


def _choice(name, label, query):
    return (
        QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(text="All", value="$__all"))
    )


def _annotation(name, expression, color):
    return AnnotationQuery().name(name).datasource(SOURCE).enable(True).expr(expression).icon_color(color)


def dashboard(uid, title, about, rows):
    """A dashboard of `(row's title, panels)`."""
    made = (
        Dashboard(title)
        .uid(f"blockchat-{uid}")
        .description(about)
        .tags([TAG])
        .editable()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .refresh("10s")
        .time("now-30m", "now")
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_choice("namespace", "Namespace", "label_values(blockchat_build_info, namespace)"))
        .with_variable(_choice("member", "Node", f"label_values({queries.of('blockchat_build_info')}, instance)"))
        .with_variable(TextBoxVariable("runbooks").label("Runbooks at").default_value(RUNBOOKS).current(VariableOption(text=RUNBOOKS, value=RUNBOOKS)))
        .annotation(_annotation("Restart", queries.RESTARTS, "blue"))
        .annotation(_annotation("Evidence", queries.EVIDENCE, "red"))
        .link(
            DashboardLink("BlockChat")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    number = 0
    for name, panels in rows:
        number += 1
        made.with_row(Row(name).id(number))
        for panel in panels:
            number += 1
            made.with_panel(panel.id(number))
    return made
