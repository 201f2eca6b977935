"""Which session a clip belongs to that the box made by itself."""

from __future__ import annotations

from appliance.library.clips import Clips
from appliance.recording.storing import SESSION_GAP_S, SESSION_LONGEST_S, SessionChain

SECOND = 1_000_000_000


def test_microphones_share_a_session_until_a_pause_or_ten_minutes(clips: Clips) -> None:
    chain = SessionChain(clips, "trigger")
    first = chain.session(0, "usb-1")
    assert chain.session(20 * SECOND, "usb-2") == first
    after_pause = round((20 + SESSION_GAP_S + 1) * SECOND)
    second = chain.session(after_pause, "usb-1")
    assert second != first
    at = after_pause
    while at - after_pause <= SESSION_LONGEST_S * SECOND:
        assert chain.session(at, "usb-2") == second
        at += 30 * SECOND
    assert chain.session(at, "usb-2") != second


def test_each_replay_is_a_recording_of_its_own(clips: Clips) -> None:
    chain = SessionChain(clips, "trigger")
    rooms = [chain.session(number * SECOND, f"replay:/{number}.wav") for number in range(3)]
    assert len({*rooms, chain.session(3 * SECOND, "usb-1")}) == 4
    again = [chain.session((4 + number) * SECOND, f"replay:/{number}.wav") for number in range(3)]
    assert again == rooms
