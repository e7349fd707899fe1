"""What the load generator offers against what becomes final."""

import queries as q
from parts import dashboard, series

OFFERED = [
    series("Transactions of the load generator", "reqps", [(q.load(name), name) for name in ("offered", "accepted", "committed")],
           "From the generator's own metrics (`--metrics-listen`). A network that keeps up commits what is offered.", width=12),
    series("Committed by the network", "reqps", [(q.THROUGHPUT, "committed")],
           "The same as nodes count it, whoever sent it.", width=12),
]

LATENCY = [
    series("From the intended send", "s", q.quantiles("blockchat_loadtest_latency_seconds"),
           "Latency counts from the moment a request should have left, so that a generator that is held up hides nothing.", width=12),
    series("Refused, by reason", "reqps", [(f"sum by (reason) ({q.rate('blockchat_loadtest_rejected_total')})", "{{reason}}")],
           "As the generator was told.", width=12),
    series("Refused by the nodes", "reqps", [(f"sum by (reason) ({q.rate('blockchat_transactions_rejected_total')})", "{{reason}}")],
           "As nodes count it: whoever sent it, and dropped ones too.", width=12),
    series("Submissions by status", "reqps",
           [(f"sum by (status) ({q.rate('blockchat_http_request_seconds_count', more='method=~' + chr(34) + 'POST|PUT' + chr(34))})", "{{status}}")],
           "Answers to requests that change something.", width=12),
]


def build():
    """The dashboard."""
    about = "Offered against committed, latency from the intended send, refusals."
    return dashboard("load", "BlockChat: load", about, [("Offered and committed", OFFERED), ("Latency and errors", LATENCY)])
