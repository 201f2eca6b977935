"""Check: did the box do something by itself that nobody has read of yet?"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.care.check import Check, report
from appliance.care.notices import Notice

NAME = "notices"


def check(unread: Sequence[Notice]) -> Check:
    """unread: the newest first."""
    if not unread:
        return Check(NAME, "ok", "There is nothing that you have not read.")
    worst = report(Check(NAME, notice.state, "") for notice in unread).state
    advice = " ".join(dict.fromkeys(notice.advice for notice in unread if notice.advice))
    return Check(
        NAME,
        worst,
        " ".join(notice.says for notice in unread),
        f"{advice}; then `earmark notices read`" if advice else "`earmark notices read`",
    )
