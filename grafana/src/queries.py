"""PromQL, apart from what it is drawn with.

Every node counts every committed transaction: figures of the network are those of the node that has seen most (max), never a
sum over nodes. Names and meanings of the metrics are in `docs/observability.md`.
"""

# All series of the networks that are chosen; without a namespace label (compose) every one.
NETWORK = 'namespace=~"$namespace"'
# The nodes that are chosen.
NODES = NETWORK + ',instance=~"$member"'


def of(metric, labels=NETWORK, more=""):
    """The series of a metric."""
    return f"{metric}{{{labels}{',' if more else ''}{more}}}"


def rate(metric, labels=NETWORK, more=""):
    """How fast a counter grows, a second."""
    return f"rate({of(metric, labels, more)}[$__rate_interval])"


def increase(metric, labels=NETWORK, more=""):
    """By how much a counter grew in one step of the graph."""
    return f"increase({of(metric, labels, more)}[$__rate_interval])"


def quantile(q, histogram, labels=NETWORK, by="le"):
    """A quantile of a histogram."""
    return f"histogram_quantile({q}, sum by ({by}) ({rate(histogram + '_bucket', labels)}))"


def quantiles(histogram, labels=NETWORK, which=(0.5, 0.95, 0.99)):
    """Quantiles of a histogram, with their names."""
    return [(quantile(q, histogram, labels), f"p{q * 100:g}") for q in which]


THROUGHPUT = f"max(sum by (instance) ({rate('blockchat_transactions_committed_total')}))"
THROUGHPUT_BY_KIND = f"max by (kind) (sum by (instance, kind) ({rate('blockchat_transactions_committed_total')}))"
BLOCK_TIME = f"avg({rate('blockchat_block_interval_seconds_sum')} / ({rate('blockchat_block_interval_seconds_count')} > 0))"
HEIGHT = of("blockchat_consensus_height")
SPREAD = f"max({HEIGHT}) - min({HEIGHT})"

# Of the nodes that tell the newest checkpoint: how many different blocks they have there.
CHAINS = (
    'count(count_values("fingerprint", '
    f"{of('blockchat_checkpoint_fingerprint')} and ({of('blockchat_checkpoint_height')} == on () group_left "
    f"max({of('blockchat_checkpoint_height')}))))"
)

MISSED = f"max by (member) ({increase('blockchat_proposals_total', more='result=' + chr(34) + 'missed' + chr(34))})"
SILENT = f"max({HEIGHT}) - on () group_right max by (member) ({of('blockchat_member_last_signed_height')})"
VOTING = f"min({of('blockchat_members')} - {of('blockchat_members_missing')})"
QUORUM = f"max({of('blockchat_quorum')})"

SHARE_OF_BLOCKS = (
    f"max by (member) (increase({of('blockchat_lottery_wins_total')}[$__range])) / on () group_left "
    f"max(increase({of('blockchat_blocks_committed_total')}[$__range]))"
)
SHARE_OF_STAKE = f"max by (member) ({of('blockchat_stake_ratio')})"

POOL_COUNT = f"{of('blockchat_mempool_transactions')} / {of('blockchat_mempool_capacity_transactions')}"
POOL_BYTES = f"{of('blockchat_mempool_bytes')} / {of('blockchat_mempool_capacity_bytes')}"

RESTARTS = f"changes({of('process_start_time_seconds')}[1m]) > 0"
EVIDENCE = f"increase({of('blockchat_evidence_total')}[1m]) > 0"


def peer_bytes(direction):
    """Bytes between members, by kind of message."""
    return f"sum by (kind) ({rate('blockchat_peer_bytes_total', NODES, f'direction={chr(34)}{direction}{chr(34)}')})"


def load(name):
    """A counter of the load generator, a second."""
    return f"sum({rate(f'blockchat_loadtest_{name}_total')})"
