"""A pause closes the microphones for everybody, and holds over a restart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance import clock
from appliance.errors import InvalidInput, LowSpace, MicrophoneError
from appliance.events import Event, EventBus
from appliance.library.clips import Clips
from appliance.library.microphones import MicrophoneRecords
from appliance.recording.microphones import Microphones
from appliance.recording.privacy import Privacy
from appliance.recording.recorder import Recorder
from appliance.recording.triggered import Triggers
from appliance.settings import Settings
from appliance.store.database import Database
from tests.recording.conftest import RATE, until
from tests.waiting import process_state


@pytest.fixture
def privacy(db: Database, microphones: Microphones, bus: EventBus) -> Iterator[Privacy]:
    service = Privacy(db, microphones, bus)
    service.start()
    yield service
    service.stop()


def running(microphones: Microphones, name: str = "desk") -> bool:
    return microphones.get(name).status.state == "running"


def test_a_pause_ends_the_child_forgets_and_nobody_hears_until_resume(
    privacy: Privacy, microphones: Microphones, bus: EventBus, counter_file: Path
) -> None:
    told: list[Event] = []
    bus.subscribe(lambda event: told.append(event) if event.topic == "privacy" else None)
    microphones.add(f"replay:{counter_file}", "desk")
    capture = microphones.capture("desk")
    until(lambda: len(capture.ring.last(0.5).samples), "sound")
    pid = capture.child_pid
    assert pid is not None

    state = privacy.pause(author="button")
    assert (state.paused, state.written) == (True, True)
    until(lambda: microphones.get("desk").status.state == "paused", "the pause")
    status = microphones.get("desk").status
    assert status.detail == "not listening: privacy by button"
    assert "earmark resume" in status.advice
    assert process_state(pid) == "", "the device is closed"
    assert len(capture.ring.last(10).samples) == 0, "what was just said is forgotten"
    heard: list[object] = []
    capture.subscribe(heard.append)
    capture.retry()  # plugging something in does not open it
    microphones.add(f"replay:{counter_file}", "another")
    until(lambda: microphones.get("another").status.state == "paused", "the newcomer to be closed")

    assert not privacy.resume("anna").paused
    until(lambda: heard, "sound again")
    assert microphones.get("desk").status.lost_frames == 0, "what was not wanted is not lost"
    until(lambda: running(microphones, "another"), "the newcomer")
    assert [event.data["what"] for event in told] == ["paused", "resumed"]


def test_recordings_and_triggers_end_with_what_was_before_it_and_new_ones_are_refused(
    privacy: Privacy, microphones: Microphones, clips: Clips, bus: EventBus, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    loud = 0.001 * rng.standard_normal(60 * RATE)
    loud[3 * RATE :] += 0.3 * np.sin(np.arange(57 * RATE) * 0.4)
    soundfile.write(tmp_path / "loud.wav", loud, RATE, subtype="PCM_16")
    recorder = Recorder(microphones, clips, bus)
    triggers = Triggers(microphones, clips, bus, Settings())
    recorder.start()
    triggers.start()
    try:
        microphones.add(f"replay:{tmp_path / 'loud.wav'}?speed=4", "desk")
        triggers.set("desk", {"max_s": 60})
        until(lambda: running(microphones), "it to run")
        (take,) = recorder.begin(["desk"], author="anna")
        until(lambda: triggers.state("desk").recording, "the sound")
        privacy.pause()
        ended = until(
            lambda: (r := recorder.get(take.id)).state != "recording" and r.clips and r, "its end"
        )
        assert "paused" in ended.detail
        until(lambda: triggers.state("desk").clips == 1, "what was heard of the sound")
        assert not triggers.state("desk").recording
        with pytest.raises(MicrophoneError, match="desk is paused"):
            recorder.begin(["desk"], 1.0)
        assert clips.count() == 2
    finally:
        triggers.stop()
        recorder.stop()


def test_it_holds_over_a_restart_from_before_the_first_microphone(
    db: Database, bus: EventBus, counter_file: Path
) -> None:
    states: list[str] = []
    for life in (1, 2):
        microphones = Microphones(MicrophoneRecords(db), bus, Settings())
        privacy = Privacy(db, microphones, bus)
        privacy.start()
        if life == 2:
            bus.subscribe(
                lambda event: (
                    states.append(event.data["microphone"]["status"]["state"])
                    if event.topic == "microphone" and event.data["what"] == "state"
                    else None
                )
            )
        microphones.start()
        try:
            if life == 1:
                microphones.add(f"replay:{counter_file}", "desk")
                privacy.pause("quiet hours")
                privacy.pause("privacy", 3600, "anna")
            else:
                assert [p.reason for p in privacy.state().pauses] == ["quiet hours", "privacy"]
                until(lambda m=microphones: m.get("desk").status.state == "paused", "the pause")
                # One reason ends, the other holds; a person's word ends all.
                assert privacy.resume("quiet hours", "quiet hours").paused
                assert not privacy.resume("anna").paused
                until(lambda m=microphones: running(m), "sound")
        finally:
            privacy.stop()
            microphones.stop()
    assert "running" not in states[: states.index("paused")]
    kept = db.rows("SELECT reason, author, ended_by FROM pauses ORDER BY id")
    assert [tuple(row.values()) for row in kept] == [
        ("quiet hours", "", "quiet hours"),
        ("privacy", "anna", "anna"),
    ]


class Clock:
    def __init__(self) -> None:
        self.stamp = clock.now()

    def __call__(self) -> clock.Stamp:
        return self.stamp

    def pass_s(self, seconds: float, wall: float | None = None, boot: str | None = None) -> None:
        self.stamp = replace(
            self.stamp,
            monotonic_ns=self.stamp.monotonic_ns + round(seconds * 1e9),
            wall=self.stamp.wall + seconds if wall is None else wall,
            boot_id=boot or self.stamp.boot_id,
        )


def test_a_timed_pause_ends_by_time_since_boot_and_after_a_reboot_by_the_wall_clock(
    db: Database, microphones: Microphones, bus: EventBus
) -> None:
    now = Clock()
    first = Privacy(db, microphones, bus, now=now)
    first.start()
    until_at = first.pause(for_s=3600).pauses[0].until_at
    assert until_at == now.stamp.wall + 3600
    # The wall clock is set ten years ahead: an hour is still an hour.
    now.pass_s(60, wall=now.stamp.wall + 10 * 365 * 86_400)
    first._periodic.wake()
    with pytest.raises(AssertionError):
        until(lambda: not first.state().paused, "an early end", 1.5)
    first.stop()
    # A reboot into 1970: it stays paused until the clock is known.
    now.pass_s(0, wall=60.0, boot="another boot")
    second = Privacy(db, microphones, bus, now=now)
    second.start()
    assert second.state().paused
    now.pass_s(0, wall=until_at + 1)
    until(lambda: not second.state().paused, "its end")
    second.stop()
    assert db.rows("SELECT ended_by FROM pauses") == [{"ended_by": "its end"}]


def test_a_full_disk_does_not_keep_the_box_listening(
    privacy: Privacy, microphones: Microphones, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise LowSpace("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(db, "write", refuse)
        state = privacy.pause(author="button")
        assert (state.paused, state.written) == (True, False)
        # The second replaces the first, which was never written.
        privacy.pause(for_s=60, author="button")
    monkeypatch.setattr("appliance.recording.privacy._RETRY_S", 0.0)
    privacy._periodic.wake()
    until(lambda: privacy.state().written, "it to be written down")
    (held,) = privacy.state().pauses
    rows = db.rows("SELECT id, until_at FROM pauses WHERE ended_at IS NULL")
    assert rows == [{"id": held.id, "until_at": held.until_at}]


def test_nonsense_is_refused(privacy: Privacy) -> None:
    for reason, for_s in (("", None), ("x" * 100, None), ("a\nb", None), ("privacy", 0.0)):
        with pytest.raises(InvalidInput):
            privacy.pause(reason, for_s)
    assert not privacy.state().paused
