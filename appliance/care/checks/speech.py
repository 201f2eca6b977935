"""Check: where speech is to be dropped, can it be heard?"""

from __future__ import annotations

from appliance.care.check import Check
from appliance.library.speech_filter import SpeechState

NAME = "speech filter"


def check(state: SpeechState) -> Check:
    if not state.on:
        return Check(NAME, "not applicable", "Speech is not dropped (setting privacy.drop_speech).")
    if state.problem:
        return Check(
            NAME,
            "failing",
            f"It cannot hear speech, so nothing is kept by itself: {state.problem}.",
            "install the package silero-vad again, then restart the daemon",
        )
    today, ever = state.sounds()
    return Check(NAME, "ok", f"Speech is dropped: {today} sounds today, {ever} ever.")
