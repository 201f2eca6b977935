"""Check: is the wall clock right? A board without a battery begins in 1970."""

from __future__ import annotations

from appliance.care.check import Check

NAME = "clock"
EARLIEST = 1_735_689_600.0
"""2025: nothing of ours is older, so a clock before it was never set."""


def check(wall: float, synced: bool) -> Check:
    """wall: epoch seconds; synced: what the kernel says of its clock."""
    if wall < EARLIEST:
        return Check(
            NAME,
            "failing",
            "It was not set since the box started: times are wrong, their order is right.",
            "give the box a network with a time server, or set it with `timedatectl set-time`",
        )
    if not synced:
        return Check(
            NAME,
            "warning",
            "It is not synchronised: times may be wrong.",
            "`timedatectl status` says why; `timedatectl set-ntp true` turns it on",
        )
    return Check(NAME, "ok", "It is synchronised.")
