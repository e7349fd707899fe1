"""Every query of every dashboard, by what it asks. How the answer looks is decided where a dashboard uses it.

Every node counts every committed transaction, so a figure of the network is that of the node which has seen most
(`max`); a sum over nodes would count each transaction once for every node. The job is never named: Grafana's user
picks the network by its namespace, and without such a label (compose, a network by hand) `.*` matches what has none.
"""

from typing import NamedTuple

# The series of the selected networks, and of the selected nodes among them.
ALL = 'namespace=~"$namespace"'
ONE = f'{ALL},instance=~"$node"'
# What any node tells of the selected members.
OF_MEMBERS = f'{ALL},member=~"$member"'


class Query(NamedTuple):
    """A PromQL expression, and the name that the legend gives each of its series."""

    expr: str
    legend: str


def rate(metric: str, labels: str = ALL) -> str:
    """Growth per second. Grafana chooses a window that holds at least four scrapes."""
    return f"rate({metric}{{{labels}}}[$__rate_interval])"


def increase(metric: str, labels: str = ALL, window: str = "$__rate_interval") -> str:
    """Growth within a window: events rather than events per second, for what is rare."""
    return f"increase({metric}{{{labels}}}[{window}])"


def quantile(q: float, metric: str, labels: str = ALL, by: str = "le") -> str:
    """A quantile over the histograms of all selected nodes together."""
    return f"histogram_quantile({q}, sum by ({by}) ({rate(metric + '_bucket', labels)}))"


def of_node(expr: str) -> str:
    """Of metrics that any program has: only what BlockChat's nodes tell."""
    return f"{expr} and on (job, namespace, instance) blockchat_build_info{{{ALL}}}"


def of_member(expr: str) -> str:
    """What each node counts of itself alone, by its member id."""
    info = f"blockchat_member_info{{{OF_MEMBERS}}}"
    return f"max by (member) ({expr} * on (job, namespace, instance) group_left (member) {info})"


def percentiles(metric: str, labels: str = ALL, upto: float = 0.99) -> list[Query]:
    """The usual percentiles. `upto` leaves out those that a histogram with few samples can't tell."""
    return [Query(quantile(q, metric, labels), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99) if q <= upto]


# The network's figures.
_COMMITTED = rate("blockchat_transactions_committed_total")
_BLOCK_TIME = (
    f"avg({rate('blockchat_block_interval_seconds_sum')} / ({rate('blockchat_block_interval_seconds_count')} > 0))"
)
THROUGHPUT = [Query(f"max(sum by (instance) ({_COMMITTED}))", "committed")]
BLOCK_TIME = [Query(_BLOCK_TIME, "mean")]
FINALITY_P95 = [Query(quantile(0.95, "blockchat_transaction_finality_seconds"), "p95")]
HEIGHT = [Query(f"max(blockchat_consensus_height{{{ALL}}})", "newest block")]
EVIDENCE = [Query(f"max by (kind) (blockchat_evidence_total{{{ALL}}})", "{{kind}}")]
SUPPLY_DEVIATION = [Query(f"max(abs(blockchat_supply_deviation{{{ALL}}}))", "deviation")]
COMMITTED_BY_KIND = [Query(f"max by (kind) (sum by (instance, kind) ({_COMMITTED}))", "{{kind}}")]
BLOCK_TIMES = [*percentiles("blockchat_block_interval_seconds"), *BLOCK_TIME]
FINALITY = percentiles("blockchat_transaction_finality_seconds")

# Agreement.
HEIGHT_BY_NODE = [Query(f"blockchat_consensus_height{{{ALL}}}", "{{instance}}")]
HEIGHT_SPREAD = [
    Query(
        f"max(blockchat_consensus_height{{{ALL}}}) - min(blockchat_consensus_height{{{ALL}}})",
        "highest minus lowest",
    )
]
# Of the nodes that tell the newest checkpoint: how many different blocks they have there.
_NEWEST_CHECKPOINT = f"on () group_left max(blockchat_checkpoint_height{{{ALL}}})"
CHAINS = [
    Query(
        f'count(count_values("fingerprint", blockchat_checkpoint_fingerprint{{{ALL}}}'
        f" and (blockchat_checkpoint_height{{{ALL}}} == {_NEWEST_CHECKPOINT})))",
        "chains",
    )
]
SYNC_LAG = [
    Query(f"blockchat_sync_lag_blocks{{{ALL}}}", "{{instance}}"),
    Query(f"blockchat_syncing{{{ALL}}}", "{{instance}} is fetching"),
]
ROUNDS = percentiles("blockchat_rounds_per_height", upto=0.95)
TIMEOUTS = [Query(f"max by (step) ({increase('blockchat_round_timeouts_total')})", "{{step}}")]
_MISSED = increase("blockchat_proposals_total", f'{OF_MEMBERS},result="missed"')
MISSED_PROPOSALS = [Query(f"max by (member) ({_MISSED})", "member {{member}}")]
CONNECTED_AND_QUORUM = [
    Query(f"min((blockchat_members{{{ALL}}} > 0) - blockchat_members_missing{{{ALL}}})", "connected"),
    Query(f"max(blockchat_quorum{{{ALL}}})", "quorum"),
]
BLOCKS_SINCE_LAST_VOTE = [
    Query(
        f"max(blockchat_consensus_height{{{ALL}}})"
        f" - on () group_right max by (member) (blockchat_member_last_signed_height{{{OF_MEMBERS}}})",
        "member {{member}}",
    )
]

# The lottery. Shares are counted over the dashboard's whole time range: a few blocks say nothing about chance.
_WINS = increase("blockchat_lottery_wins_total", OF_MEMBERS, "$__range")
_BLOCKS = increase("blockchat_blocks_committed_total", window="$__range")
SHARE_OF_BLOCKS = Query(f"max by (member) ({_WINS}) / on () group_left max({_BLOCKS})", "member {{member}}")
SHARE_OF_STAKE = Query(f"max by (member) (blockchat_stake_ratio{{{OF_MEMBERS}}})", "member {{member}}")
SHARE_DIFFERENCE = Query(f"({SHARE_OF_BLOCKS.expr}) - {SHARE_OF_STAKE.expr}", "member {{member}}")
BLOCKS_WON = [Query(f"max by (member) (blockchat_lottery_wins_total{{{OF_MEMBERS}}})", "member {{member}}")]
FEES = [Query(of_member(f"blockchat_fees_earned_bcc_total{{{ALL}}}"), "member {{member}}")]
FEES_PER_SECOND = [Query(of_member(rate("blockchat_fees_earned_bcc_total")), "member {{member}}")]

# The pool.
PENDING = [Query(f"blockchat_mempool_transactions{{{ALL}}}", "{{instance}}")]
POOL_IN_USE = [
    Query(
        f"blockchat_mempool_transactions{{{ALL}}} / blockchat_mempool_capacity_transactions{{{ALL}}}",
        "{{instance}}, transactions",
    ),
    Query(f"blockchat_mempool_bytes{{{ALL}}} / blockchat_mempool_capacity_bytes{{{ALL}}}", "{{instance}}, bytes"),
]
REJECTED_BY_NODES = [Query(f"sum by (reason) ({rate('blockchat_transactions_rejected_total')})", "{{reason}}")]

# One node: its state.
NODE_HEIGHT = [Query(f"blockchat_consensus_height{{{ONE}}}", "{{instance}}")]
NODE_ROUND = [Query(f"blockchat_consensus_round{{{ONE}}}", "{{instance}}")]
NODE_STREAMS = [Query(f"blockchat_peers_connected{{{ONE}}}", "{{instance}}")]
NODE_VERSION = [
    Query(f"max by (instance, version, revision) (blockchat_build_info{{{ONE}}})", "{{version}} {{revision}}")
]

# One node: a block's way.
NODE_STEPS = [Query(quantile(0.95, "blockchat_consensus_step_seconds", ONE, "step, le"), "{{step}}")]
NODE_COMMIT_TIME = percentiles("blockchat_block_finality_seconds", ONE)
NODE_APPLY_TIME = percentiles("blockchat_block_apply_seconds", ONE)
NODE_VOTES = [Query(f"sum by (type, result) ({rate('blockchat_votes_total', ONE)})", "{{type}}, {{result}}")]
NODE_BLOCK_SIZE = percentiles("blockchat_block_size_bytes", ONE, upto=0.95)
NODE_BLOCK_TRANSACTIONS = percentiles("blockchat_block_transactions", ONE, upto=0.95)

# One node: signatures and disk.
NODE_VERIFY_TIME = percentiles("blockchat_signature_verify_seconds", ONE)
NODE_SIGN_TIME = percentiles("blockchat_signature_sign_seconds", ONE)
NODE_LOG_SYNC = percentiles("blockchat_log_sync_seconds", ONE)
NODE_SPACE = [
    Query(f"blockchat_storage_bytes{{{ONE}}}", "used by {{instance}}"),
    Query(f"blockchat_storage_available_bytes{{{ONE}}}", "left for {{instance}}"),
]

# One node: the other members.
_SENT = rate("blockchat_peer_bytes_total", f'{ONE},direction="sent"')
_RECEIVED = rate("blockchat_peer_bytes_total", f'{ONE},direction="received"')
NODE_BYTES_SENT = [Query(f"sum by (kind) ({_SENT})", "{{kind}}")]
NODE_BYTES_RECEIVED = [Query(f"sum by (kind) ({_RECEIVED})", "{{kind}}")]
NODE_PEER_HEIGHTS = [Query(f"max by (peer) (blockchat_peer_height{{{ONE}}})", "member {{peer}}")]
NODE_REGISTRATIONS = [Query(f"sum by (result) (blockchat_join_requests_total{{{ONE}}})", "{{result}}")]

# One node: traces.
NODE_SPANS = [
    Query(f"sum by (instance) ({rate('blockchat_spans_exported_total', ONE)})", "{{instance}} sent"),
    Query(f"sum by (instance) ({rate('blockchat_spans_dropped_total', ONE)})", "{{instance}} dropped"),
]

# One node: HTTP and the process.
NODE_REQUESTS = [
    Query(f"sum by (route, status) ({rate('blockchat_http_request_seconds_count', ONE)})", "{{route}} {{status}}")
]
NODE_ANSWER_TIME = [Query(quantile(0.95, "blockchat_http_request_seconds", ONE, "route, le"), "{{route}}")]
NODE_MEMORY = [Query(of_node(f"process_resident_memory_bytes{{{ONE}}}"), "{{instance}}")]
NODE_CPU = [Query(of_node(rate("process_cpu_seconds_total", ONE)), "{{instance}}")]
NODE_OPEN_FILES = [Query(of_node(f"process_open_fds{{{ONE}}}"), "{{instance}}")]
NODE_THREADS = [Query(of_node(f"process_threads{{{ONE}}}"), "{{instance}}")]

# The load generator, by its own metrics (`--metrics-listen`).
LOAD_OFFERED, LOAD_ACCEPTED, LOAD_COMMITTED = (
    Query(f"sum({rate(f'blockchat_loadtest_{what}_total')})", what) for what in ("offered", "accepted", "committed")
)
LOAD_LATENCY = percentiles("blockchat_loadtest_latency_seconds")
LOAD_REJECTED = [Query(f"sum by (reason) ({rate('blockchat_loadtest_rejected_total')})", "{{reason}}")]
_SUBMISSIONS = rate("blockchat_http_request_seconds_count", f'{ALL},method=~"POST|PUT"')
SUBMISSIONS = [Query(f"sum by (status) ({_SUBMISSIONS})", "{{status}}")]

# What the annotations mark.
RESTARTS = of_node(f"time() - process_start_time_seconds{{{ALL}}} < 60")
NEW_EVIDENCE = f"increase(blockchat_evidence_total{{{ALL}}}[1m]) > 0"
