"""The whole network: how fast it is, whether its members agree, who holds it up. The first page that anybody opens."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from . import queries
from .parts import (
    BAD,
    LAST,
    MICRO_BCC,
    NUMBER,
    SECONDS,
    SHARE,
    TX_PER_SECOND,
    WARNING,
    Section,
    by_member,
    dashboard,
    figure,
    lines,
)

SLOW = ((1, WARNING), (10, BAD))

FIGURES = Section(
    "The experiment's figures",
    [
        figure(
            "Throughput",
            "Committed transactions per second, by the node that has seen most. The experiment's first figure: higher "
            "is better.",
            TX_PER_SECOND,
            queries.THROUGHPUT,
        ).decimals(1),
        figure(
            "Block time",
            "Mean time from one block to the next. The experiment's second figure: lower is better. An idle network "
            "makes no blocks and has no block time.",
            SECONDS,
            queries.BLOCK_TIME,
            limits=SLOW,
        ),
        figure(
            "Finality, p95",
            "Within this time 95 % of the transactions were committed, counted from when a node first saw them.",
            SECONDS,
            queries.FINALITY_P95,
            limits=SLOW,
        ),
        figure(
            "Height", "Index of the newest block of any node. It grows while there is load.", NUMBER, queries.HEIGHT
        ),
        figure(
            "Evidence",
            "Contradictory statements signed by one member, two votes or two proposals of one round. Must be 0: "
            "anything else is a liar or a key in use twice.",
            NUMBER,
            queries.EVIDENCE,
            limits=((1, BAD),),
            runbook="evidence",
        ),
        figure(
            "Different chains",
            "How many different blocks the nodes have at the newest common checkpoint. Must be 1: anything else is a "
            "fork.",
            NUMBER,
            queries.CHAINS,
            limits=((2, BAD),),
            runbook="state-mismatch",
        ),
        figure(
            "Supply deviation",
            "All balances and stakes minus the supply at genesis, in millionths of a BCC. Must be 0: coins are neither "
            "made nor lost.",
            MICRO_BCC,
            queries.SUPPLY_DEVIATION,
            limits=((1, BAD),),
            runbook="supply-mismatch",
        ).decimals(0),
    ],
)

OVER_TIME = Section(
    "Over time",
    [
        lines(
            "Committed transactions",
            "Throughput by kind of transaction. Even is good; falling to nothing while transactions are pending is a "
            "stall.",
            TX_PER_SECOND,
            queries.COMMITTED_BY_KIND,
            runbook="stalled",
            stacked=True,
        ),
        lines(
            "Time between blocks",
            "Percentiles of all nodes together. A p99 far above the median means that some blocks needed a second "
            "round.",
            SECONDS,
            queries.BLOCK_TIMES,
            runbook="many-rounds",
        ),
        lines(
            "Finality of transactions",
            "From a node's first sight of a transaction to its commit. Much longer than the time between blocks means "
            "that transactions wait in the pool.",
            SECONDS,
            queries.FINALITY,
        ),
    ],
)

AGREEMENT = Section(
    "Height and agreement",
    [
        lines(
            "Height by node",
            "The newest block of each node. The lines should lie on one another; a flat one is a node that has "
            "stopped.",
            NUMBER,
            queries.HEIGHT_BY_NODE,
            runbook="stalled",
            columns=LAST,
            floor=None,
        ),
        lines(
            "Spread of heights",
            "Highest minus lowest node. A few blocks are the age of the scrapes; more means that a node does not keep "
            "up.",
            NUMBER,
            queries.HEIGHT_SPREAD,
            limits=((10, BAD),),
            runbook="behind",
        ),
        lines(
            "Blocks behind",
            "What each node lacks of the height that more of the others tell than may lie, and 1 while it fetches "
            "blocks. It is not ready meanwhile. Should be 0.",
            NUMBER,
            queries.SYNC_LAG,
            limits=((10, BAD),),
            runbook="behind",
        ),
    ],
)

ROUNDS = Section(
    "Rounds",
    [
        lines(
            "Rounds until a block is final",
            "Percentiles, interpolated within buckets: below 1 means that every block was final in its first round. "
            "Above 2, proposals or votes come too late.",
            NUMBER,
            queries.ROUNDS,
            limits=((2, WARNING),),
            runbook="many-rounds",
        ).decimals(1),
        lines(
            "Timeouts by step",
            "Rounds that ended without a block, by the step that waited in vain: `propose` for a proposal, `prevote` "
            "and `precommit` for votes. Should be 0.",
            NUMBER,
            queries.TIMEOUTS,
            runbook="many-rounds",
        ),
        lines(
            "Missed proposals",
            "Turns of each member that passed without its proposal. Always the same member: it is away or slow. All of "
            "them: look at the network.",
            NUMBER,
            queries.MISSED_PROPOSALS,
            runbook="member-missing",
        ),
    ],
)

MEMBERS = Section(
    "Members",
    [
        lines(
            "Connected members and quorum",
            "Members that the worst connected node reaches, itself included, against those that a block needs. When "
            "the lines meet, the loss of one more stops the chain.",
            NUMBER,
            queries.CONNECTED_AND_QUORUM,
            runbook="quorum-at-risk",
            columns=LAST,
        ),
        lines(
            "Blocks since a member's last vote",
            "Blocks since the newest one whose certificate carries the member's signature. A few are normal: a "
            "certificate needs a quorum, not all.",
            NUMBER,
            queries.BLOCKS_SINCE_LAST_VOTE,
            limits=((50, BAD),),
            runbook="member-missing",
        ),
        by_member(
            "Share of blocks against share of stake",
            "What each member minted within the time range, beside its share of all stake. Over many blocks the bars "
            "agree; without any stake all have the same chance.",
            SHARE,
            {"Stake": queries.SHARE_OF_STAKE, "Blocks": queries.SHARE_OF_BLOCKS},
            runbook="unfair-lottery",
        ),
    ],
)

POOL = Section(
    "Pool",
    [
        lines(
            "Pending transactions",
            "Transactions in each node's pool. Steady growth means that more is offered than is committed.",
            NUMBER,
            queries.PENDING,
            runbook="pool-full",
        ),
        lines(
            "Pool in use",
            "Share of each pool's capacity, in transactions and in bytes. At 100 % the node refuses transactions.",
            SHARE,
            queries.POOL_IN_USE,
            limits=((0.8, BAD),),
            runbook="pool-full",
            ceiling=1,
        ),
        lines(
            "Refused and dropped transactions",
            "What pools refused or dropped, by reason, all nodes together. `pool_full` and `sender_full` are overload, "
            "`bad_signature` and `nonce_taken` are clients in error.",
            TX_PER_SECOND,
            queries.REJECTED_BY_NODES,
            runbook="pool-full",
        ),
    ],
)


def make() -> Dashboard:
    """The dashboard `cluster`."""
    return dashboard(
        "cluster",
        "Throughput, block time and the agreement of the members.",
        [FIGURES, OVER_TIME, AGREEMENT, ROUNDS, MEMBERS, POOL],
    )
