"""The network as a whole: the experiment's two figures first, then who agrees, who is missing and what waits."""

import queries as q
from parts import dashboard, series, stat

FIGURES = [
    stat("Throughput", "reqps", q.THROUGHPUT, "Transactions that became final in a second: the first figure of the experiment.",
         "committed a second", decimals=1),
    stat("Block time", "s", q.BLOCK_TIME, "Mean time from one block to the next: the second figure. An idle network makes no blocks.",
         "mean between blocks", thresholds=[(1, "orange"), (10, "red")]),
    stat("Finality, p95", "s", q.quantile(0.95, "blockchat_transaction_finality_seconds"),
         "From a node's first sight of a transaction to its commit, for 95 of 100.", "first seen to committed",
         thresholds=[(1, "orange"), (10, "red")]),
    stat("Height", "none", f"max({q.HEIGHT})", "The newest block of any node.", "newest block", decimals=0),
]

OVER_TIME = [
    series("Committed transactions", "reqps", [(q.THROUGHPUT_BY_KIND, "{{kind}}")],
           "Throughput by kind of transaction.", stack=True),
    series("Time between blocks", "s", q.quantiles("blockchat_block_interval_seconds") + [(q.BLOCK_TIME, "mean")],
           "A p99 far above the mean tells of rounds that failed."),
    series("Finality of transactions", "s", q.quantiles("blockchat_transaction_finality_seconds"),
           "Time in the pool and agreement together. It grows with the pool when more is offered than fits."),
]

AGREEMENT = [
    stat("Different chains", "none", q.CHAINS,
         "How many different blocks nodes have at the newest common checkpoint. One is right; anything else is a fork.",
         "blocks at the checkpoint", runbook="state-mismatch", thresholds=[(2, "red")], decimals=0),
    stat("Spread of heights", "none", q.SPREAD, "Highest minus lowest node: a few while scrapes are apart, more if one is behind.",
         "highest minus lowest", runbook="behind", thresholds=[(10, "red")], decimals=0),
    stat("Evidence of contradiction", "none", f"max by (kind) ({q.of('blockchat_evidence_total')})",
         "Statements of one member that exclude each other, since nodes started. Must be 0.", "{{kind}}",
         runbook="evidence", thresholds=[(1, "red")], decimals=0),
    stat("Supply deviation", "none", f"max(abs({q.of('blockchat_supply_deviation')}))",
         "Balances and stakes minus what was there at genesis, millionths of a BCC. Must be 0.", "millionths of a BCC",
         runbook="supply-mismatch", thresholds=[(1, "red")], decimals=0),
    series("Height by node", "none", [(q.HEIGHT, "{{instance}}")],
           "Lines should lie on each other. All flat with transactions pending: the network stands.", runbook="stalled",
           decimals=0, lowest=None),
    series("Rounds until a block is final", "none", q.quantiles("blockchat_rounds_per_height", which=(0.5, 0.95)),
           "One is the rule. More means that proposals or votes come too late.", runbook="many-rounds",
           thresholds=[(2, "orange")], decimals=1),
    series("Proposals that did not come", "none", [(q.MISSED, "member {{member}}")],
           "Turns that a member missed: it is down, cut off or slow.", runbook="member-missing", decimals=1),
    series("Blocks since a member's last vote", "none", [(q.SILENT, "member {{member}}")],
           "How long ago a member's signature stood in a certificate. Late votes need not get in: small numbers are fine.",
           runbook="member-missing", thresholds=[(50, "red")], decimals=0, lowest=None),
    series("Timeouts by step", "none", [(f"max by (step) ({q.increase('blockchat_round_timeouts_total')})", "{{step}}")],
           "Rounds that ended because something did not come in time.", runbook="many-rounds", decimals=1),
    series("Members that vote, and the quorum", "none", [(q.VOTING, "connected"), (q.QUORUM, "quorum")],
           "Once the first line meets the second, one more loss stops the chain.", runbook="quorum-at-risk", decimals=0),
]

POOL = [
    series("Share of blocks against share of stake", "percentunit",
           [(q.SHARE_OF_BLOCKS, "blocks of {{member}}"), (q.SHARE_OF_STAKE, "stake of {{member}}")],
           "Over the time that is shown, both of a member should be alike; chance explains more the fewer blocks there are.",
           runbook="unfair-lottery"),
    series("Pending transactions", "none", [(q.of("blockchat_mempool_transactions"), "{{instance}}")],
           "What waits in each node's pool.", runbook="pool-full", decimals=0),
    series("Pool in use", "percentunit", [(q.POOL_COUNT, "count, {{instance}}"), (q.POOL_BYTES, "bytes, {{instance}}")],
           "Full pools refuse transactions with 503.", runbook="pool-full", thresholds=[(0.8, "red")]),
    series("Refused and dropped transactions", "reqps",
           [(f"sum by (reason) ({q.rate('blockchat_transactions_rejected_total')})", "{{reason}}")],
           "By reason; over all nodes, so that one that was offered to several counts for each.", width=12),
    series("Blocks behind the others", "none",
           [(q.of("blockchat_sync_lag_blocks"), "{{instance}}"), (q.of("blockchat_syncing"), "fetching: {{instance}}")],
           "A node that is behind answers 503 to payments until it has caught up.", runbook="behind",
           thresholds=[(10, "red")], decimals=0, width=12),
]


def build():
    """The dashboard."""
    about = "The network as a whole: throughput and block time, agreement, members, pool."
    return dashboard("cluster", "BlockChat: cluster", about, [
        ("The experiment's two figures", FIGURES),
        ("Over time", OVER_TIME),
        ("Agreement", AGREEMENT),
        ("Stake, pool and lag", POOL),
    ])
