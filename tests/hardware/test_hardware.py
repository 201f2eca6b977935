"""Button, light, heat, hot-plug and watchdog, from their edges to what the box does."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
import soundfile

from appliance.errors import InvalidInput
from appliance.hardware.heat import HeatWatch
from appliance.hardware.kit import Kit
from appliance.hardware.loops import Loops
from appliance.library.filters import ClipFilter
from appliance.paths import DataFolder
from appliance.settings import BoardSettings
from firmware_hooks.sensors import FakeSensors, SystemSensors
from firmware_hooks.watchdog import FakeSystemd
from tests.hardware.conftest import LIGHT, Box, until

TREES = Path(__file__).parent.parent / "firmware_hooks" / "trees"


def listening(box: Box, sound: Path) -> None:
    box.microphones.add(f"replay:{sound}", "yard")
    until(lambda: box.microphones.get("yard").status.frames > 8000, "a second of sound")


def test_a_press_records_until_the_next_and_the_light_shows_it(box: Box, sound: Path) -> None:
    listening(box, sound)
    box.press(0.05)
    (recording,) = until(box.recorder.active, "the recording")
    assert (recording.author, recording.seconds) == ("button", 60.0)
    until(lambda: box.light() == "recording", "the light")
    box.press(0.05)
    until(lambda: box.recorder.get(recording.id).state == "stored", "its end")
    assert box.recorder.get(recording.id).clips
    until(lambda: box.light() == "idle", "the light")


def test_two_presses_keep_the_last_minute(box: Box, sound: Path) -> None:
    listening(box, sound)
    (take,) = box.recorder.begin(["yard"], 0.5)
    recorded = until(lambda: box.recorder.get(take.id).clips, "a clip of the last minute")
    assert not box.clips.get(recorded[0]).protected
    box.press(0.05, 0.05)
    kept = until(
        lambda: [c for c in box.clips.page(ClipFilter()).items if c.protected][1:], "kept clips"
    )
    assert kept[-1].id == recorded[0], "what was stored already is marked"
    memory = box.clips.page(ClipFilter()).items[0]
    assert memory.protected
    assert 1.0 < memory.duration_s <= 5.2, "as far back as the memory reaches"
    # Let go again, and kept by hand.
    assert box.clips.keeping.set([memory.id, recorded[0]], False) == 2
    assert not box.clips.get(memory.id).protected


def test_with_a_history_two_presses_keep_more_than_the_memory_holds(
    folder: DataFolder, sound: Path
) -> None:
    box = Box(folder, hours=1.0)
    try:
        box.microphones.add(f"replay:{sound}?speed=8", "yard")
        until(lambda: box.microphones.get("yard").status.frames > 80 * 8000, "80 s of sound")
        box.press(0.05, 0.05)
        (kept,) = until(
            lambda: [c for c in box.clips.page(ClipFilter()).items if c.protected], "the clip"
        )
        assert kept.source == "history"
        assert kept.duration_s == pytest.approx(60, abs=0.1)
    finally:
        box.close()


def test_a_long_press_pauses_listening_and_another_resumes(box: Box, sound: Path) -> None:
    listening(box, sound)
    box.press(1.2)
    until(lambda: box.microphones.get("yard").status.state == "paused", "the pause")
    assert [pause.author for pause in box.privacy.state().pauses] == ["button"]
    until(lambda: box.light() == "paused", "the light")
    # While it is paused, a press is refused, and that is all.
    box.press(0.05)
    box.press(1.2)
    until(lambda: box.microphones.get("yard").status.state == "running", "sound again")
    assert box.recorder.active() == []


def test_gestures_can_be_bound_otherwise_and_nonsense_is_refused(folder: DataFolder) -> None:
    box = Box(folder, button_press="pause", button_long="none", button_double="Record")
    try:
        box.press(0.05)
        until(lambda: box.privacy.state().paused, "the pause")
        assert set(box.hardware.actions.by_gesture()) == {"press", "double"}
    finally:
        box.close()
    with pytest.raises(InvalidInput, match="dance"):
        Box(folder, button_press="dance")


def test_the_light_calls_for_help_while_a_microphone_is_missing(box: Box, tmp_path: Path) -> None:
    box.microphones.add(f"replay:{tmp_path / 'gone.wav'}", "yard")
    until(lambda: box.light() == "attention", "the light")
    output = box.lines.outputs[LIGHT]
    before = len(output.shown)
    until(lambda: len(output.shown) > before + 3, "its rhythm")
    box.microphones.update("yard", {"enabled": False})
    until(lambda: box.light() == "idle", "the light")


def test_hot_plug_wakes_the_next_attempt_at_once(box: Box, tmp_path: Path, sound: Path) -> None:
    later = tmp_path / "later.wav"
    box.microphones.add(f"replay:{later}", "yard")
    # After some attempts the wait is long.
    until(lambda: (box.microphones.get("yard").status.retry_in_s or 0) > 3, "a long wait")
    samples, rate = soundfile.read(sound, frames=80_000)
    soundfile.write(later, samples, rate)
    restarts = box.microphones.get("yard").status.restarts
    box.plugs.plug("platform-3610000.usb-usb-0:2.3:1.0")
    until(lambda: box.microphones.get("yard").status.state == "running", "the microphone")
    assert box.microphones.get("yard").status.restarts == restarts


# --- heat ----------------------------------------------------------------------------------------


class FakeRunner:
    def __init__(self) -> None:
        self.told: list[str] = []

    def pause(self, why: str) -> bool:
        self.told.append(why)
        return True

    def resume(self) -> None:
        self.told.append("resume")


def test_a_training_pauses_above_the_limit_and_goes_on_below_another() -> None:
    sensors, runner = FakeSensors(), FakeRunner()
    watch = HeatWatch(BoardSettings(heat_pause_c=85), sensors, runner)  # type: ignore[arg-type]
    for celsius in (80.0, 86.0, 80.0, None, 74.0, 80.0):
        sensors.celsius = {"tj": celsius, "cpu": 40.0 if celsius else None}
        watch.look()
    assert runner.told == [
        "too hot (tj 86 °C); goes on at 75 °C",
        "too hot (tj 80 °C); goes on at 75 °C",
        "too hot (); goes on at 75 °C",
        "resume",
    ]
    assert not watch.state().hot


def test_a_jetson_has_a_limit_of_its_own_and_a_pc_has_none() -> None:
    def limits(tree: str, **settings: float) -> tuple[float | None, float | None]:
        sensors = SystemSensors(TREES / tree)
        state = HeatWatch(BoardSettings(**settings), sensors, FakeRunner()).state()  # type: ignore[arg-type]
        return state.pause_at, state.resume_at

    assert limits("orin-nano-jp6") == limits("agx-thor") == (90.0, 80.0)
    assert limits("pc") == (None, None)
    assert limits("pc", heat_pause_c=70) == (70, 60)
    assert limits("agx-thor", heat_pause_c=105, heat_resume_c=100) == (105, 100)
    with pytest.raises(InvalidInput, match="not below"):
        limits("pc", heat_pause_c=70, heat_resume_c=75)


# --- the watchdog --------------------------------------------------------------------------------


def test_what_is_missing_outside_is_no_reason_to_stop_feeding_and_a_hung_loop_is(
    folder: DataFolder, tmp_path: Path, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.hardware.hardware.HUNG_S", 5.0)
    systemd = FakeSystemd(str(tmp_path / "notify"), watchdog_s=0.3)
    box = Box(folder, systemd.environment)
    fed: list[str] = []
    reading = threading.Event()

    def read() -> None:
        while not reading.is_set():
            if (message := systemd.received(0.1)) is not None:
                fed.append(message)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        # No deployment, a microphone that is not there, one that died, and a pause.
        box.microphones.add(f"replay:{tmp_path / 'gone.wav'}", "gone")
        listening(box, sound)
        pid = box.microphones.capture("yard").child_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        until(lambda: box.microphones.get("yard").status.state == "failed", "its death")
        box.privacy.pause()
        until(lambda: box.microphones.get("gone").status.state == "paused", "the pause")
        before = len(fed)
        until(lambda: len(fed) > before + 20, "the watchdog to be fed")
        assert set(fed) == {"WATCHDOG=1"}
        until(lambda: max(box.hardware._loops.ages().values()) < 5, "every loop to turn")
        # A transaction that never ends: the database's loop stands still.
        hold, held = threading.Event(), threading.Event()

        def hang() -> None:
            with box.db.write():
                held.set()
                hold.wait(60)

        thread = threading.Thread(target=hang)
        thread.start()
        assert held.wait(30)
        until(lambda: box.hardware.view().hung == ["database"], "the hang to be seen")
        starved = len(fed)
        with pytest.raises(AssertionError):
            until(lambda: len(fed) > starved + 1, "food", 1.5)
        hold.set()
        thread.join(30)
        until(lambda: len(fed) > starved + 1, "the watchdog to be fed again")
    finally:
        box.close()
        reading.set()
        reader.join(30)
        systemd.close()


def test_a_database_that_refuses_for_want_of_space_still_turns(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    from appliance.errors import LowSpace

    def refuse() -> None:
        raise LowSpace("the disk is full")

    monkeypatch.setattr("appliance.hardware.loops.PROBE_EVERY_S", 0.01)
    with monkeypatch.context() as broken:
        broken.setattr(box.db, "write", refuse)
        loops = Loops(box.db, box.microphones, box.listener)
        loops.start()
        before = loops._database_ns
        until(lambda: loops._database_ns > before, "the next turn")
        loops.stop()


# --- this computer -------------------------------------------------------------------------------


def test_the_real_kit_works_on_any_computer() -> None:
    kit = Kit()
    assert kit.sensors.board().model
    assert kit.power.modes().all == () or kit.power.modes().current is not None
