"""One node: where its time goes, from a block's first proposal to the disk, and what its process uses."""

from grafana_foundation_sdk.models.common import BigValueGraphMode, BigValueTextMode
from grafana_foundation_sdk.models.dashboard import Dashboard

from . import queries
from .parts import (
    BAD,
    BYTES,
    BYTES_PER_SECOND,
    LAST,
    NUMBER,
    PER_SECOND,
    REQUESTS_PER_SECOND,
    SECONDS,
    SHARE,
    WARNING,
    Section,
    colour_statuses,
    dashboard,
    figure,
    lines,
)

STATE = Section(
    "This node",
    [
        figure("Height", "The newest block of the node. It grows while there is load.", NUMBER, queries.NODE_HEIGHT),
        figure(
            "Round in progress",
            "0 is the first attempt at a block. A growing number means that proposals do not come or votes are "
            "missing.",
            NUMBER,
            queries.NODE_ROUND,
            limits=((1, WARNING), (3, BAD)),
            runbook="many-rounds",
        ),
        figure(
            "Streams to other members",
            "Connections between this node and the others. Should be the number of members less one.",
            NUMBER,
            queries.NODE_STREAMS,
            runbook="quorum-at-risk",
        ),
        figure(
            "Version",
            "Version and revision of the running program. Should be the same on all nodes, except during an upgrade.",
            NUMBER,
            queries.NODE_VERSION,
        )
        .text_mode(BigValueTextMode.NAME)
        .graph_mode(BigValueGraphMode.NONE),
    ],
)

BLOCKS = Section(
    "A block's way",
    [
        lines(
            "Steps of a round, p95",
            "How long the steps of a round took. The longest is where time can be gained.",
            SECONDS,
            queries.NODE_STEPS,
        ),
        lines(
            "Proposal seen to commit",
            "From the first acceptable proposal for a height to its block's commit on this node: what agreement costs, "
            "without waiting for load or for a proposer.",
            SECONDS,
            queries.NODE_COMMIT_TIME,
        ),
        lines(
            "Applying a block",
            "Time in which the thread that owns the state executed and committed a block. It does nothing else "
            "meanwhile.",
            SECONDS,
            queries.NODE_APPLY_TIME,
        ),
        lines(
            "Votes received",
            "Votes by type and result. `accepted` are of the height in progress. `stale` and `early` are normal in small "
            "numbers.",
            PER_SECOND,
            queries.NODE_VOTES,
        ),
        lines("Block size", "Bytes of a block as it is stored, by percentile.", BYTES, queries.NODE_BLOCK_SIZE),
        lines(
            "Transactions per block",
            "By percentile. At the network's capacity blocks are full, and transactions wait for the next one.",
            NUMBER,
            queries.NODE_BLOCK_TRANSACTIONS,
        ),
    ],
)

SIGNATURES_AND_DISK = Section(
    "Signatures and disk",
    [
        lines(
            "Verifying a signature",
            "One RSA verification of a transaction. Tens of microseconds; more means that the processor is contended.",
            SECONDS,
            queries.NODE_VERIFY_TIME,
        ),
        lines(
            "Signing with the wallet",
            "One RSA signature with the node's wallet. Around a millisecond; only payments from this wallet need one.",
            SECONDS,
            queries.NODE_SIGN_TIME,
        ),
        lines(
            "Log sync",
            "One fdatasync of the log, which every vote waits for. Up to 10 ms on an SSD; beyond half a second the "
            "disk is in trouble.",
            SECONDS,
            queries.NODE_LOG_SYNC,
            limits=((0.5, BAD),),
            runbook="slow-disk",
        ),
        lines(
            "Disk space",
            "Bytes in the data directory and bytes left on its volume. A node whose log can't be written stops.",
            BYTES,
            queries.NODE_SPACE,
            runbook="disk-full",
            columns=LAST,
        ),
    ],
)

PEERS = Section(
    "Members",
    [
        lines(
            "Bytes to members",
            "What the node sends to the others, by kind of message.",
            BYTES_PER_SECOND,
            queries.NODE_BYTES_SENT,
            stacked=True,
        ),
        lines(
            "Bytes from members",
            "What the node receives from the others, by kind of message. Much more than is sent: it is fetching "
            "blocks.",
            BYTES_PER_SECOND,
            queries.NODE_BYTES_RECEIVED,
            stacked=True,
        ),
        lines(
            "Heights told by others",
            "The newest height that each other member told. A flat line is a member that is away or stuck.",
            NUMBER,
            queries.NODE_PEER_HEIGHTS,
            runbook="behind",
            columns=LAST,
            floor=None,
        ),
        lines(
            "Registrations answered",
            "Only the bootstrap node answers them. Anything but `accepted` is a node with other parameters or one too "
            "many.",
            NUMBER,
            queries.NODE_REGISTRATIONS,
            columns=LAST,
        ),
    ],
)

HTTP = Section(
    "HTTP",
    [
        colour_statuses(
            lines(
                "Requests",
                "By route and status: green succeeded, orange is the client's fault, red the node's. 503 says that it "
                "is behind or full.",
                REQUESTS_PER_SECOND,
                queries.NODE_REQUESTS,
            )
        ),
        lines(
            "Response time, p95",
            "From a request's first byte to the head of its answer, by route. Routes that wait for a commit take as "
            "long as agreement does.",
            SECONDS,
            queries.NODE_ANSWER_TIME,
        ),
    ],
)

PROCESS = Section(
    "Process",
    [
        lines(
            "Memory",
            "Resident memory. It grows with the accounts; growth without new ones suggests a leak.",
            BYTES,
            queries.NODE_MEMORY,
        ),
        lines(
            "Processor",
            "100 % is one core. Near the number of cores the processor is the bottleneck.",
            SHARE,
            queries.NODE_CPU,
        ),
        lines(
            "Open files",
            "Files and connections that the process holds. Steady growth suggests a leak.",
            NUMBER,
            queries.NODE_OPEN_FILES,
        ),
        lines(
            "Spans of traces",
            "Spans that the collector took, and spans that it did not or that were not made because it takes none. "
            "Without a collector there are none of either.",
            PER_SECOND,
            queries.NODE_SPANS,
            runbook="spans-dropped",
        ),
        lines("Threads", "Threads of the process. Should stay the same.", NUMBER, queries.NODE_THREADS),
    ],
)


def make() -> Dashboard:
    """The dashboard `node`."""
    return dashboard(
        "node",
        "Where a node spends its time: steps, signatures, disk, members, HTTP, process.",
        [STATE, BLOCKS, SIGNATURES_AND_DISK, PEERS, HTTP, PROCESS],
    )
