"""Blocks and fees of each member against its stake."""

import queries as q
from parts import bars, dashboard, series

MINTS = [
    bars("Share of blocks", "percentunit", [(q.SHARE_OF_BLOCKS, "member {{member}}")],
         "Of the blocks in the time that is shown. Compare with the share of stake beside it.", runbook="unfair-lottery", highest=1),
    bars("Share of stake", "percentunit", [(q.SHARE_OF_STAKE, "member {{member}}")],
         "What a member's chance is in each draw. All are 0 while nobody has a stake: then chances are equal.", highest=1),
    series("Blocks won", "none", [(f"max by (member) ({q.of('blockchat_lottery_wins_total')})", "member {{member}}")],
           "Since nodes started. Lines diverge as stakes do.", decimals=0, width=24),
]

EARNS = [
    series("Fees earned", "none", [(q.of("blockchat_fees_earned_bcc_total"), "{{instance}}")],
           "BCC, since a node started: fees go to whoever mints the block.", decimals=2, width=12),
    series("Fees earned a second", "none", [(q.rate("blockchat_fees_earned_bcc_total"), "{{instance}}")],
           "BCC a second.", decimals=3, width=12),
]


def build():
    """The dashboard."""
    about = "Who mints and who earns, against the stakes."
    return dashboard("fairness", "BlockChat: fairness", about, [("Who mints", MINTS), ("Who earns", EARNS)])
