"""A load test as it runs: what is offered, what of it the network commits, how long that takes, what is refused.

Most of it comes from the load generator's own metrics (`--metrics-listen`), which exist only while it runs.
"""

from grafana_foundation_sdk.models.dashboard import Dashboard

from . import queries
from .parts import REQUESTS_PER_SECOND, SECONDS, TX_PER_SECOND, Section, colour_statuses, dashboard, figure, lines

NO_LOAD = "no load generator"

FIGURES = Section(
    "The run's figures",
    [
        figure(
            "Offered",
            "Transactions per second that were due to be sent. The run's plan, whatever the network makes of it.",
            TX_PER_SECOND,
            [queries.LOAD_OFFERED],
        )
        .decimals(1)
        .no_value(NO_LOAD),
        figure(
            "Committed",
            "Transactions of the load generator that it saw committed. Should equal what is offered; below it, the "
            "network is saturated.",
            TX_PER_SECOND,
            [queries.LOAD_COMMITTED],
        )
        .decimals(1)
        .no_value(NO_LOAD),
        figure(
            "Latency, p99",
            "One transaction in a hundred takes longer than this, from its intended send to its commit.",
            SECONDS,
            queries.LOAD_LATENCY[-1:],
        ).no_value(NO_LOAD),
    ],
)

THROUGHPUT = Section(
    "Offered and committed",
    [
        lines(
            "Offered, accepted, committed",
            "By the load generator. While the three lie on one another the network keeps up; where committed bends "
            "away is its saturation.",
            TX_PER_SECOND,
            [queries.LOAD_OFFERED, queries.LOAD_ACCEPTED, queries.LOAD_COMMITTED],
        ).no_value(NO_LOAD),
        lines(
            "Committed by the network",
            "By the nodes, from whatever source: the experiment's throughput. More than the load generator commits "
            "means that somebody else pays too.",
            TX_PER_SECOND,
            queries.THROUGHPUT,
        ),
    ],
)

LATENCY_AND_ERRORS = Section(
    "Latency and errors",
    [
        lines(
            "Latency from the intended send",
            "Percentiles until the commit is seen; until the acceptance where files are only fired. They count from "
            "when a transaction was due, so a sender that lags behind does not hide what its clients wait for.",
            SECONDS,
            queries.LOAD_LATENCY,
        ).no_value(NO_LOAD),
        lines(
            "Refused, by the load generator",
            "Transactions that it gave up, by the node's reason. Should be 0 below saturation.",
            TX_PER_SECOND,
            queries.LOAD_REJECTED,
            runbook="pool-full",
        ).no_value(NO_LOAD),
        lines(
            "Refused, by the nodes",
            "What pools refused or dropped, by reason, all nodes together. `pool_full` and `sender_full` are overload.",
            TX_PER_SECOND,
            queries.REJECTED_BY_NODES,
            runbook="pool-full",
        ),
        colour_statuses(
            lines(
                "Submissions by status",
                "Answers to POST and PUT requests: green accepted, orange the client's fault, red refused by an "
                "overloaded or lagging node.",
                REQUESTS_PER_SECOND,
                queries.SUBMISSIONS,
                runbook="pool-full",
            )
        ),
    ],
)


def make() -> Dashboard:
    """The dashboard `load`."""
    return dashboard(
        "load",
        "Offered against committed, latency from the intended send, errors.",
        [FIGURES, THROUGHPUT, LATENCY_AND_ERRORS],
    )
