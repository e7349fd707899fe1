"""One node, or several side by side: where the time goes."""

import queries as q
from parts import dashboard, series, stat

N = q.NODES

NOW = [
    stat("Height", "none", q.of("blockchat_consensus_height", N), "Its newest block.", "{{instance}}", decimals=0),
    stat("Round in progress", "none", q.of("blockchat_consensus_round", N),
         "0 is the rule; it grows while nobody's proposal finds enough votes.", "{{instance}}",
         thresholds=[(1, "orange"), (3, "red")], decimals=0),
    stat("Streams to other members", "none", q.of("blockchat_peers_connected", N),
         "All other members, if nobody is away.", "{{instance}}", decimals=0),
    stat("Version", "none", f"max by (instance, version, revision) ({q.of('blockchat_build_info', N)})",
         "The program that runs, by name of the series.", "{{version}} {{revision}}", decimals=0),
]

BLOCK = [
    series("Steps of a round, p95", "s", [(q.quantile(0.95, "blockchat_consensus_step_seconds", N, "step, le"), "{{step}}")],
           "The time of a block by step: waiting for the proposal, for prevotes, for precommits."),
    series("Proposal seen to commit", "s", q.quantiles("blockchat_block_finality_seconds", N),
           "Agreement alone, without the time in the pool."),
    series("Applying a block", "s", q.quantiles("blockchat_block_apply_seconds", N),
           "The turn of the thread that owns the state in which a block became final, execution included."),
    series("Votes received", "ops", [(f"sum by (type, result) ({q.rate('blockchat_votes_total', N)})", "{{type}}, {{result}}")],
           "Refused ones are late, repeated or wrong; a steady stream of them deserves a look at the sender."),
    series("Size of blocks", "bytes", q.quantiles("blockchat_block_size_bytes", N, (0.5, 0.95)), "As they are stored."),
    series("Transactions in a block", "none", q.quantiles("blockchat_block_transactions", N, (0.5, 0.95)),
           "Full blocks have the network's capacity.", decimals=0),
]

DISK = [
    series("Verifying a signature", "s", q.quantiles("blockchat_signature_verify_seconds", N),
           "One RSA signature. Grows when processors are busy."),
    series("Signing with the wallet", "s", q.quantiles("blockchat_signature_sign_seconds", N),
           "One RSA signature of the node's own wallet: the dearest step of a payment."),
    series("Sync of the log", "s", q.quantiles("blockchat_log_sync_seconds", N),
           "What is said is durable first: nothing is faster than this.", runbook="slow-disk", thresholds=[(0.5, "red")]),
    series("Space", "bytes",
           [(q.of("blockchat_storage_bytes", N), "used by {{instance}}"),
            (q.of("blockchat_storage_available_bytes", N), "left for {{instance}}")],
           "A node whose log can't be written stops.", runbook="disk-full"),
]

NETWORK = [
    series("Bytes to members", "Bps", [(q.peer_bytes("sent"), "{{kind}}")], "By kind of message.", stack=True),
    series("Bytes from members", "Bps", [(q.peer_bytes("received"), "{{kind}}")], "By kind of message.", stack=True),
    series("Heights that others told", "none", [(f"max by (peer) ({q.of('blockchat_peer_height', N)})", "member {{peer}}")],
           "What this node knows of the others.", decimals=0, lowest=None),
    series("Registrations answered", "none", [(f"sum by (result) ({q.of('blockchat_join_requests_total', N)})", "{{result}}")],
           "By the bootstrap node, while the network is founded and after restarts.", decimals=0),
    series("Spans of traces", "ops",
           [(f"sum by (instance) ({q.rate('blockchat_spans_exported_total', N)})", "sent by {{instance}}"),
            (f"sum by (instance) ({q.rate('blockchat_spans_dropped_total', N)})", "dropped by {{instance}}")],
           "None without a collector. Dropped ones cost nothing but holes in traces.", runbook="spans-dropped"),
]

PROCESS = [
    series("Requests", "reqps", [(f"sum by (route, status) ({q.rate('blockchat_http_request_seconds_count', N)})", "{{route}} {{status}}")],
           "By route and status. 503 means: try again later."),
    series("Answers, p95", "s", [(q.quantile(0.95, "blockchat_http_request_seconds", N, "route, le"), "{{route}}")],
           "Requests that wait for a commit take as long as that."),
    series("Memory", "bytes", [(q.of("process_resident_memory_bytes", N), "{{instance}}")],
           "Grows with the pool and with readers, not with the chain."),
    series("Processor", "percentunit", [(q.rate("process_cpu_seconds_total", N), "{{instance}}")], "1 is one core."),
    series("Open files", "none", [(q.of("process_open_fds", N), "{{instance}}")], "Connections, mostly.", decimals=0),
    series("Threads", "none", [(q.of("process_threads", N), "{{instance}}")], "Constant, but for bursts of blocking work.", decimals=0),
]


def build():
    """The dashboard."""
    about = "Where one node spends its time: steps, signatures, disk, members, HTTP, process."
    return dashboard("node", "BlockChat: node", about, [
        ("This node", NOW),
        ("A block's way", BLOCK),
        ("Signatures and disk", DISK),
        ("Network", NETWORK),
        ("HTTP and process", PROCESS),
    ])
