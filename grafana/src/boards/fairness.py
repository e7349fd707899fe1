"""The lottery's justice: each member's blocks and fees against its stake."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from . import queries
from .parts import BCC, BCC_PER_SECOND, LAST, NUMBER, SHARE, Section, by_member, dashboard, lines

MINTING = Section(
    "Who mints",
    [
        by_member(
            "Share of blocks against share of stake",
            "What each member minted within the time range, beside its share of all stake. The more blocks, the closer "
            "the bars: pick a range of hundreds, in which nobody changed a stake.",
            SHARE,
            {"Stake": queries.SHARE_OF_STAKE, "Blocks": queries.SHARE_OF_BLOCKS},
            runbook="unfair-lottery",
        ),
        by_member(
            "Share of blocks minus share of stake",
            "Above 0 the member minted more than its stake says. For n blocks and a share p, chance alone gives up to "
            "3 √(p (1 - p) / n) either way.",
            SHARE,
            {"Difference": queries.SHARE_DIFFERENCE},
            runbook="unfair-lottery",
        ),
        lines(
            "Blocks won",
            "Blocks that each member minted since the nodes started. The slopes should be as the stakes are.",
            NUMBER,
            queries.BLOCKS_WON,
            columns=LAST,
        ),
    ],
)

EARNINGS = Section(
    "Who earns",
    [
        lines(
            "Fees earned",
            "Fees that each member earned as validator since its node started. They follow the blocks won and what was "
            "in them.",
            BCC,
            queries.FEES,
            columns=LAST,
        ),
        lines(
            "Fees earned per second",
            "Over time the members' shares should be as their stakes are; within minutes chance decides.",
            BCC_PER_SECOND,
            queries.FEES_PER_SECOND,
        ),
    ],
)


def make() -> Dashboard:
    """The dashboard `fairness`."""
    return dashboard("fairness", "Blocks and fees of each member against its stake.", [MINTING, EARNINGS])
