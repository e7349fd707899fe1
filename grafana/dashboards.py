#!/usr/bin/env python3
"""The dashboards, from the queries below. `make dashboards` runs it; a test says when the committed files are stale.

Needs nothing but Python. Queries stand apart from layout: a dashboard is a title and rows of panels, a panel a title, a unit
and its queries. Every node counts every committed transaction, so the figures of the network are taken from the node
that has seen most (max), never summed over nodes.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHART = HERE.parent / "charts/blockchat/files"

# All series of the networks that are selected; without a namespace label (compose) every one.
ALL = 'namespace=~"$namespace"'
# The node that is selected.
ONE = f'{ALL},instance=~"$member"'


def rate(metric, labels=ALL):
    return f"rate({metric}{{{labels}}}[$__rate_interval])"


def quantile(q, metric, labels=ALL, by="le"):
    return f"histogram_quantile({q}, sum by ({by}) ({rate(metric + '_bucket', labels)}))"


def quantiles(metric, labels=ALL):
    return [(quantile(q, metric, labels), name) for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))]


THROUGHPUT = f"max(sum by (instance) ({rate('blockchat_transactions_committed_total')}))"
BLOCK_TIME = f"avg({rate('blockchat_block_interval_seconds_sum')} / ({rate('blockchat_block_interval_seconds_count')} > 0))"

# title, unit, queries [(expression, legend)], options: kind, thresholds [(from, colour)], runbook, about
CLUSTER = [
    ("The experiment's two figures", [
        ("Throughput", "reqps", [(THROUGHPUT, "committed transactions per second")], {"kind": "stat"}),
        ("Block time", "s", [(BLOCK_TIME, "mean time between blocks")], {"kind": "stat", "thresholds": [(1, "orange"), (10, "red")]}),
        ("Finality, p95", "s", [(quantile(0.95, "blockchat_transaction_finality_seconds"), "first seen to committed")], {"kind": "stat", "thresholds": [(1, "orange"), (10, "red")]}),
        ("Height", "none", [(f"max(blockchat_consensus_height{{{ALL}}})", "newest block")], {"kind": "stat"}),
    ]),
    ("Over time", [
        ("Committed transactions", "reqps", [(f"max by (kind) (sum by (instance, kind) ({rate('blockchat_transactions_committed_total')}))", "{{kind}}")], {"stack": True}),
        ("Time between blocks", "s", quantiles("blockchat_block_interval_seconds") + [(BLOCK_TIME, "mean")], {}),
        ("Finality of transactions", "s", quantiles("blockchat_transaction_finality_seconds"), {}),
    ]),
    ("Agreement", [
        ("Height by node", "none", [(f"blockchat_consensus_height{{{ALL}}}", "{{instance}}")], {"runbook": "stalled"}),
        ("Spread of heights", "none", [(f"max(blockchat_consensus_height{{{ALL}}}) - min(blockchat_consensus_height{{{ALL}}})", "highest minus lowest")], {"runbook": "behind", "thresholds": [(10, "red")]}),
        ("Rounds until a block is final", "none", [(quantile(q, "blockchat_rounds_per_height"), name) for q, name in ((0.5, "p50"), (0.95, "p95"))], {"runbook": "many-rounds", "thresholds": [(2, "orange")]}),
        ("Proposals that did not come", "none", [(f"max by (member) (increase(blockchat_proposals_total{{{ALL},result=\"missed\"}}[$__rate_interval]))", "member {{member}}")], {"runbook": "member-missing"}),
        ("Blocks since a member's last vote", "none", [(f"max(blockchat_consensus_height{{{ALL}}}) - on () group_right max by (member) (blockchat_member_last_signed_height{{{ALL}}})", "member {{member}}")], {"runbook": "member-missing", "thresholds": [(50, "red")]}),
        ("Timeouts by step", "none", [(f"max by (step) (increase(blockchat_round_timeouts_total{{{ALL}}}[$__rate_interval]))", "{{step}}")], {"runbook": "many-rounds"}),
    ]),
    ("Members and money", [
        ("Members that vote, and the quorum", "none", [(f"min(blockchat_members{{{ALL}}} - blockchat_members_missing{{{ALL}}})", "connected"), (f"max(blockchat_quorum{{{ALL}}})", "quorum")], {"runbook": "quorum-at-risk"}),
        ("Share of blocks against share of stake", "percentunit", [(f"max by (member) (increase(blockchat_lottery_wins_total{{{ALL}}}[$__range])) / on () group_left max(increase(blockchat_blocks_committed_total{{{ALL}}}[$__range]))", "blocks of {{member}}"), (f"max by (member) (blockchat_stake_ratio{{{ALL}}})", "stake of {{member}}")], {"runbook": "unfair-lottery"}),
        ("Evidence of contradiction", "none", [(f"max by (kind) (blockchat_evidence_total{{{ALL}}})", "{{kind}}")], {"kind": "stat", "runbook": "evidence", "thresholds": [(1, "red")]}),
        ("Supply deviation, millionths of a BCC", "none", [(f"max(abs(blockchat_supply_deviation{{{ALL}}}))", "must be 0")], {"kind": "stat", "runbook": "supply-mismatch", "thresholds": [(1, "red")]}),
    ]),
    ("Pool and lag", [
        ("Pending transactions", "none", [(f"blockchat_mempool_transactions{{{ALL}}}", "{{instance}}")], {"runbook": "pool-full"}),
        ("Pool in use", "percentunit", [(f"blockchat_mempool_transactions{{{ALL}}} / blockchat_mempool_capacity_transactions{{{ALL}}}", "count, {{instance}}"), (f"blockchat_mempool_bytes{{{ALL}}} / blockchat_mempool_capacity_bytes{{{ALL}}}", "bytes, {{instance}}")], {"runbook": "pool-full", "thresholds": [(0.8, "red")]}),
        ("Refused and dropped transactions", "reqps", [(f"sum by (reason) ({rate('blockchat_transactions_rejected_total')})", "{{reason}}")], {}),
        ("Blocks behind the others", "none", [(f"blockchat_sync_lag_blocks{{{ALL}}}", "{{instance}}"), (f"blockchat_syncing{{{ALL}}}", "fetching: {{instance}}")], {"runbook": "behind", "thresholds": [(10, "red")]}),
    ]),
]

NODE = [
    ("This node", [
        ("Height", "none", [(f"blockchat_consensus_height{{{ONE}}}", "{{instance}}")], {"kind": "stat"}),
        ("Round in progress", "none", [(f"blockchat_consensus_round{{{ONE}}}", "{{instance}}")], {"kind": "stat", "thresholds": [(1, "orange"), (3, "red")]}),
        ("Streams to other members", "none", [(f"blockchat_peers_connected{{{ONE}}}", "{{instance}}")], {"kind": "stat"}),
        ("Version", "none", [(f"max by (instance, version, revision) (blockchat_build_info{{{ONE}}})", "{{version}} {{revision}}")], {"kind": "stat"}),
    ]),
    ("A block's way", [
        ("Steps of a round, p95", "s", [(quantile(0.95, "blockchat_consensus_step_seconds", ONE, "step, le"), "{{step}}")], {}),
        ("Proposal seen to commit", "s", quantiles("blockchat_block_finality_seconds", ONE), {}),
        ("Applying a block", "s", quantiles("blockchat_block_apply_seconds", ONE), {}),
        ("Votes received", "ops", [(f"sum by (type, result) ({rate('blockchat_votes_total', ONE)})", "{{type}}, {{result}}")], {}),
        ("Size of blocks", "bytes", [(quantile(q, "blockchat_block_size_bytes", ONE), name) for q, name in ((0.5, "p50"), (0.95, "p95"))], {}),
        ("Transactions in a block", "none", [(quantile(q, "blockchat_block_transactions", ONE), name) for q, name in ((0.5, "p50"), (0.95, "p95"))], {}),
    ]),
    ("Signatures and disk", [
        ("Verifying a signature", "s", quantiles("blockchat_signature_verify_seconds", ONE), {}),
        ("Signing with the wallet", "s", quantiles("blockchat_signature_sign_seconds", ONE), {}),
        ("Sync of the log", "s", quantiles("blockchat_log_sync_seconds", ONE), {"runbook": "slow-disk", "thresholds": [(0.5, "red")]}),
        ("Space", "bytes", [(f"blockchat_storage_bytes{{{ONE}}}", "used by {{instance}}"), (f"blockchat_storage_available_bytes{{{ONE}}}", "left for {{instance}}")], {"runbook": "disk-full"}),
    ]),
    ("Network", [
        ("Bytes to members", "Bps", [(f"sum by (kind) ({rate('blockchat_peer_bytes_total', ONE + ',direction=' + chr(34) + 'sent' + chr(34))})", "{{kind}}")], {"stack": True}),
        ("Bytes from members", "Bps", [(f"sum by (kind) ({rate('blockchat_peer_bytes_total', ONE + ',direction=' + chr(34) + 'received' + chr(34))})", "{{kind}}")], {"stack": True}),
        ("Heights that others told", "none", [(f"max by (peer) (blockchat_peer_height{{{ONE}}})", "member {{peer}}")], {}),
        ("Registrations answered", "none", [(f"sum by (result) (blockchat_join_requests_total{{{ONE}}})", "{{result}}")], {}),
    ]),
    ("HTTP and process", [
        ("Requests", "reqps", [(f"sum by (route, status) ({rate('blockchat_http_request_seconds_count', ONE)})", "{{route}} {{status}}")], {}),
        ("Answers, p95", "s", [(quantile(0.95, "blockchat_http_request_seconds", ONE, "route, le"), "{{route}}")], {}),
        ("Memory", "bytes", [(f"process_resident_memory_bytes{{{ONE}}}", "{{instance}}")], {}),
        ("Processor", "percentunit", [(f"rate(process_cpu_seconds_total{{{ONE}}}[$__rate_interval])", "{{instance}}")], {}),
        ("Open files", "none", [(f"process_open_fds{{{ONE}}}", "{{instance}}")], {}),
        ("Threads", "none", [(f"process_threads{{{ONE}}}", "{{instance}}")], {}),
    ]),
]

LOAD = [
    ("Offered and committed", [
        ("Transactions of the load generator", "reqps", [(f"sum({rate('blockchat_loadtest_' + name + '_total')})", name) for name in ("offered", "accepted", "committed")], {"about": "From the load generator's own metrics (--metrics-listen)."}),
        ("Committed by the network", "reqps", [(THROUGHPUT, "committed")], {}),
    ]),
    ("Latency and errors", [
        ("From the intended send", "s", quantiles("blockchat_loadtest_latency_seconds"), {}),
        ("Refused, by reason", "reqps", [(f"sum by (reason) ({rate('blockchat_loadtest_rejected_total')})", "{{reason}}")], {}),
        ("Refused by the nodes", "reqps", [(f"sum by (reason) ({rate('blockchat_transactions_rejected_total')})", "{{reason}}")], {}),
        ("Submissions by status", "reqps", [(f"sum by (status) (rate(blockchat_http_request_seconds_count{{{ALL},method=~\"POST|PUT\"}}[$__rate_interval]))", "{{status}}")], {}),
    ]),
]

FAIRNESS = [
    ("Who mints", [
        ("Share of blocks", "percentunit", [(f"max by (member) (increase(blockchat_lottery_wins_total{{{ALL}}}[$__range])) / on () group_left max(increase(blockchat_blocks_committed_total{{{ALL}}}[$__range]))", "member {{member}}")], {"kind": "bars", "runbook": "unfair-lottery"}),
        ("Share of stake", "percentunit", [(f"max by (member) (blockchat_stake_ratio{{{ALL}}})", "member {{member}}")], {"kind": "bars"}),
        ("Blocks won", "none", [(f"max by (member) (blockchat_lottery_wins_total{{{ALL}}})", "member {{member}}")], {}),
    ]),
    ("Who earns", [
        ("Fees earned, BCC", "none", [(f"blockchat_fees_earned_bcc_total{{{ALL}}}", "{{instance}}")], {}),
        ("Fees earned per second, BCC", "none", [(f"rate(blockchat_fees_earned_bcc_total{{{ALL}}}[$__rate_interval])", "{{instance}}")], {}),
    ]),
]

DASHBOARDS = {
    "cluster": ("BlockChat: cluster", CLUSTER),
    "node": ("BlockChat: node", NODE),
    "load": ("BlockChat: load", LOAD),
    "fairness": ("BlockChat: fairness", FAIRNESS),
}

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
KINDS = {"stat": "stat", "bars": "bargauge"}


def panel(number, title, unit, queries, options, place):
    kind = KINDS.get(options.get("kind"), "timeseries")
    steps = [{"color": "green", "value": None}]
    steps += [{"color": colour, "value": value} for value, colour in options.get("thresholds", [])]
    custom = {} if kind != "timeseries" else {
        "fillOpacity": 20 if options.get("stack") else 5,
        "stacking": {"mode": "normal" if options.get("stack") else "none"},
        "thresholdsStyle": {"mode": "line" if options.get("thresholds") else "off"},
    }
    made = {
        "id": number,
        "type": kind,
        "title": title,
        "description": options.get("about", ""),
        "datasource": SOURCE,
        "gridPos": place,
        "targets": [
            {"refId": chr(65 + index), "datasource": SOURCE, "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(queries)
        ],
        "fieldConfig": {"defaults": {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}, "custom": custom}, "overrides": []},
        "options": {
            "stat": {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area"},
            "bargauge": {"reduceOptions": {"calcs": ["lastNotNull"]}, "orientation": "horizontal"},
            "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        }[kind],
    }
    if "runbook" in options:
        made["links"] = [{"title": "Runbook", "url": f"${{runbooks}}/{options['runbook']}.md", "targetBlank": True}]
    return made


def variable(name, label, query, multi):
    return {
        "name": name, "label": label, "type": "query", "datasource": SOURCE, "definition": query,
        "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1,
        "multi": multi, "includeAll": True, "allValue": ".*", "current": {"text": "All", "value": "$__all"},
    }


def annotation(name, expression, colour, text):
    return {"name": name, "datasource": SOURCE, "enable": True, "expr": expression, "iconColor": colour, "titleFormat": name, "textFormat": text, "step": "10s"}


def dashboard(uid, title, rows):
    panels, number, y = [], 1, 0
    for row, content in rows:
        panels.append({"id": number, "type": "row", "title": row, "collapsed": False, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}, "panels": []})
        number, y = number + 1, y + 1
        width = 24 // min(len(content), 4 if all(p[3].get("kind") == "stat" for p in content) else 3)
        height = 4 if all(p[3].get("kind") == "stat" for p in content) else 8
        x = 0
        for title_, unit, queries, options in content:
            if x + width > 24:
                x, y = 0, y + height
            panels.append(panel(number, title_, unit, queries, options, {"x": x, "y": y, "w": width, "h": height}))
            number, x = number + 1, x + width
        y += height
    return {
        "uid": f"blockchat-{uid}",
        "title": title,
        "tags": ["blockchat"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [
            {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}},
            variable("namespace", "Namespace", "label_values(blockchat_build_info, namespace)", True),
            variable("member", "Node", 'label_values(blockchat_build_info{namespace=~"$namespace"}, instance)', True),
            {"name": "runbooks", "label": "Runbooks", "type": "constant", "hide": 2, "query": "docs/runbooks", "current": {"value": "docs/runbooks", "text": "docs/runbooks"}},
        ]},
        "annotations": {"list": [
            annotation("Restart", f"changes(process_start_time_seconds{{{ALL}}}[1m]) > 0", "blue", "{{instance}} started"),
            annotation("Evidence", f"increase(blockchat_evidence_total{{{ALL}}}[1m]) > 0", "red", "{{instance}} has evidence of kind {{kind}}"),
        ]},
        "links": [{"type": "dashboards", "tags": ["blockchat"], "title": "BlockChat", "asDropdown": True, "includeVars": True, "keepTime": True}],
        "panels": panels,
    }


def files():
    """Every file that is made here, with its text."""
    made = {CHART / "rules.yaml": (HERE / "rules/blockchat.yaml").read_text()}
    for uid, (title, rows) in DASHBOARDS.items():
        text = json.dumps(dashboard(uid, title, rows), indent=1, ensure_ascii=False) + "\n"
        for folder in (HERE / "dashboards", CHART / "dashboards"):
            made[folder / f"{uid}.json"] = text
    return made


def main():
    check = sys.argv[1:] == ["--check"]
    stale = []
    for path, text in files().items():
        if check and (not path.exists() or path.read_text() != text):
            stale.append(str(path.relative_to(HERE.parent)))
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if stale:
        sys.exit("stale, `make dashboards` makes them anew: " + ", ".join(stale))


if __name__ == "__main__":
    main()
