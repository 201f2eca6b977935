"""Check: does sound come from every microphone that is set up?"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.audio.capture_state import BROKEN
from appliance.care.check import Check
from appliance.recording.microphones import MicrophoneView

NAME = "microphones"
LOST_SHARE = 0.001


def check(microphones: Sequence[MicrophoneView], paused: str = "") -> Check:
    """`paused`: why all are closed on purpose, "" while they are not."""
    used = [one for one in microphones if one.enabled]
    if not used:
        return Check(
            NAME,
            "not applicable",
            "No microphone is in use.",
            "list what is plugged in with `earmark devices`, then `earmark devices add`",
        )
    if paused:
        return Check(NAME, "ok", f"All are closed: {paused}.", "`earmark resume` opens them")
    broken = [one for one in used if one.status.state in BROKEN]
    if broken:
        first = broken[0].status
        names = ", ".join(f"{one.name} is {one.status.state}" for one in broken)
        return Check(
            NAME,
            "failing",
            f"{names}: {first.detail}." if first.detail else f"{names}.",
            first.advice or "plug it in; it is tried again by itself",
        )
    silent = [one.name for one in used if one.status.state == "silent"]
    if silent:
        return Check(
            NAME,
            "warning",
            f"Nothing but zeros from {', '.join(silent)}.",
            "it may be muted: check its switch, or `alsamixer`",
        )
    lossy = [
        one.name
        for one in used
        if one.status.lost_frames > LOST_SHARE * max(one.status.frames, one.status.rate * 10, 1)
    ]
    if lossy:
        return Check(
            NAME,
            "warning",
            f"Sound was lost from {', '.join(lossy)}.",
            "try another USB port without a hub; see whether the box is busy (`earmark status`)",
        )
    running = [one for one in used if one.status.state == "running"]
    heard = f"Sound comes from {len(running)} of {len(used)}"
    if len(running) < len(used):
        quiet = [one for one in used if one not in running]
        others = ", ".join(f"{one.name} is {one.status.state}" for one in quiet)
        return Check(
            NAME,
            "warning",
            f"{heard}: {others}.",
            "wait if it is starting; close what is no longer wanted: `earmark devices set NAME "
            "--disable`",
        )
    return Check(NAME, "ok", f"{heard}.")
