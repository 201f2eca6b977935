"""What the box keeps by itself is dropped when somebody speaks in it; a person's own is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.audio.resample import resample
from appliance.audio.speech import SpeechDetector
from appliance.care.checks import speech as speech_check
from appliance.clock import monotonic_ns
from appliance.errors import EngineError
from appliance.events import Event, EventBus
from appliance.library import speech_filter
from appliance.library.clips import Clips
from appliance.library.filters import ClipFilter
from appliance.library.speech_filter import BY_ITSELF, Dropped
from appliance.live.detection import SPEECH, Detection, NewDetection
from appliance.live.detections import Detections
from appliance.paths import DataFolder
from appliance.recording import tape as tape_module
from appliance.recording.assembly import Part
from appliance.recording.background import Background
from appliance.recording.microphones import Microphones
from appliance.recording.minutes import all_minutes
from appliance.recording.storing import store_part
from appliance.recording.triggered import Triggers
from appliance.settings import Settings
from appliance.store.database import Database
from tests.recording.conftest import RATE, until
from tests.recording.test_history import MIC, Shelf


@pytest.fixture(scope="session")
def spoken(test_data: Path) -> np.ndarray:
    """Four spoken digits of one person, 8 kHz."""
    files = sorted((test_data / "fsdd" / "recordings").glob("7_jackson_*.wav"))[:4]
    pause = np.zeros(RATE // 10, np.float32)
    words = [part for file in files for part in (soundfile.read(file, dtype="float32")[0], pause)]
    return np.concatenate(words) * 0.5


def scene(file: Path, spoken: np.ndarray, seconds: int = 24) -> None:
    """Quiet noise, with somebody speaking after 6 s and a whistle after 16 s."""
    samples = 0.001 * np.random.default_rng(3).standard_normal(seconds * RATE)
    samples[6 * RATE :][: len(spoken)] += spoken
    times = np.arange(RATE // 2) / RATE
    samples[16 * RATE :][: len(times)] += 0.3 * np.sin(2 * np.pi * 1900 * times)
    soundfile.write(file, samples, RATE)


def part_of(samples: np.ndarray) -> Part:
    return Part("m", samples.astype(np.float32), RATE, 1, 0, monotonic_ns(), 0.0, 0)


def everything(clips: Clips) -> list[str]:
    return [clip.source for clip in clips.page(ClipFilter()).items]


def test_speech_is_told_from_other_sounds(test_data: Path, spoken: np.ndarray) -> None:
    detector = SpeechDetector()
    rng = np.random.default_rng(0)
    assert detector.likely(spoken, RATE)
    assert detector.likely(resample(spoken, RATE, 48_000), 48_000)
    long = 0.001 * rng.standard_normal(60 * RATE).astype(np.float32)
    assert not detector.likely(long, RATE)
    long[50 * RATE :][: len(spoken)] += spoken
    assert detector.likely(long, RATE)
    far = 0.0001 * rng.standard_normal(8 * RATE).astype(np.float32)
    far[5 * RATE :][: len(spoken)] += 0.01 * spoken
    far[RATE:][:400] += 0.9 * np.hanning(400)
    assert detector.likely(far, RATE), "far away, in a clip with a bang"
    for name in ("001 - Dog bark", "002 - Rain", "008 - Chainsaw", "009 - Rooster"):
        file = sorted((test_data / "esc10" / name).glob("*.ogg"))[0]
        samples, rate = soundfile.read(file, dtype="float32")
        assert not detector.likely(samples, rate), name
    assert not detector.likely(np.zeros(0, np.float32), RATE)
    assert len(detector.probabilities(np.zeros(1, np.float32), RATE)) == 1


def test_it_brings_no_torch() -> None:
    program = (
        "import sys, numpy; from appliance.audio.speech import SpeechDetector;"
        " SpeechDetector().likely(numpy.zeros(16000, 'f'), 16000);"
        " sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_only_what_the_box_keeps_by_itself_is_asked_about(
    clips: Clips, bus: EventBus, spoken: np.ndarray
) -> None:
    told: list[Event] = []
    bus.subscribe(told.append)
    session = clips.new_session(None, "recording")

    def store(source: str) -> bool:
        return store_part(clips, part_of(spoken), source=source, session=session) is not None

    assert store("trigger"), "off by default"
    clips.delete(clips.page(ClipFilter()).items[0].id, "")
    clips.speech.switch(True)
    told.clear()
    for source in BY_ITSELF:
        assert not store(source)
    assert everything(clips) == []
    assert [event.data["what"] for event in told] == ["speech"] * len(BY_ITSELF)
    assert store("recording")
    state = clips.speech.state()
    seconds = round(len(spoken) / RATE, 1)
    assert state.today == state.ever == {source: Dropped(1, seconds) for source in BY_ITSELF}
    assert speech_check.check(state).says.startswith(f"Speech is dropped: {len(BY_ITSELF)} ")


def test_a_trigger_keeps_the_whistle_and_drops_the_voice(
    microphones: Microphones, clips: Clips, bus: EventBus, spoken: np.ndarray, tmp_path: Path
) -> None:
    scene(tmp_path / "scene.wav", spoken)
    clips.speech.switch(True)
    triggers = Triggers(microphones, clips, bus, Settings())
    triggers.start()
    microphones.add(f"replay:{tmp_path / 'scene.wav'}?speed=8", "desk")
    triggers.set("desk", {"postroll_s": 1.0})
    until(lambda: microphones.get("desk").status.state == "ended", "the scene to end")
    until(lambda: triggers.state("desk").clips == 1, "the whistle")
    triggers.stop()
    assert triggers.states()[0].missed == 0
    [clip] = clips.page(ClipFilter(source="trigger")).items
    assert (clip.frame or 0) / RATE == pytest.approx(15.5, abs=0.2)
    assert clips.speech.state().ever["trigger"].sounds >= 1


def test_background_with_a_voice_in_it_is_gathered_again(
    microphones: Microphones,
    clips: Clips,
    bus: EventBus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A voice too far away to rise above the background: the first sample is one."""
    heard: list[int] = []

    def likely(detector: SpeechDetector, samples: np.ndarray, rate: int) -> bool:
        heard.append(len(samples))
        return len(heard) == 1

    monkeypatch.setattr(SpeechDetector, "likely", likely)
    quiet = 0.001 * np.random.default_rng(5).standard_normal(30 * RATE)
    soundfile.write(tmp_path / "room.wav", quiet, RATE)
    microphones.add(f"replay:{tmp_path / 'room.wav'}?speed=8&loop=1", "room")
    clips.speech.switch(True)
    background = Background(microphones, clips, bus)
    background.start()
    begun = background.begin("room", 2, 5.0, 1.0)
    until(lambda: background.get(begun.id).state == "done", "both samples")
    background.stop()
    assert len(heard) == 3
    assert (len(background.get(begun.id).clips), everything(clips)) == (2, ["background"] * 2)
    assert background.get(begun.id).skipped >= 1


def test_the_history_has_a_gap_where_somebody_spoke(
    db: Database,
    folder: DataFolder,
    bus: EventBus,
    spoken: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tape_module, "MINUTE_S", 10.0)
    shelf = Shelf(db, folder, bus)
    shelf.clips.speech.switch(True)
    shelf.play(10)
    voice = np.zeros(10 * 48_000, np.float32)
    voice[2 * 48_000 :][: 6 * len(spoken)] += resample(spoken, RATE, 48_000)
    shelf.microphone.play(voice)
    shelf.play(15)
    shelf.history.stop()
    kept = all_minutes(folder.history)[MIC]
    assert [one.follows for one in kept][:2] == [False, False]
    assert kept[1].at - kept[0].at == pytest.approx(20, abs=0.05)
    assert not list(kept[0].path.parent.glob(".*")), "nothing half-written stays"
    assert shelf.clips.speech.state().ever["history"].sounds == 1


def test_a_review_does_not_bring_back_what_was_dropped(
    db: Database, clips: Clips, bus: EventBus
) -> None:
    detections = Detections(db, clips, bus)
    asked: list[Detection] = []
    detections.find_sound = lambda found: asked.append(found)  # type: ignore[func-returns-value]
    with db.write() as tx:
        tx.conn.execute(
            "INSERT INTO versions (name, created_at, source, classes, stopped, seconds,"
            " onnx_sha256, card) VALUES ('V001', 0, 'trained', '[]', 'converged', 1, '', '{}')"
        )
        tx.conn.execute(
            "INSERT INTO deployments (version, precision, engine, state, certificate, author,"
            " created_at) VALUES ('V001', 'fp32', 'test', 'live', '{}', '', 0)"
        )
    long_ago = monotonic_ns() - 3600 * 10**9
    with_voice, without = (
        detections.add(NewDetection("m", "dog", 0.8, "V001", 1, long_ago, long_ago)).id
        for _ in range(2)
    )
    assert detections.goes_without(with_voice, SPEECH).no_clip == SPEECH
    detections.review(with_voice, "confirmed")
    detections.review(without, "confirmed")
    assert [found.id for found in asked] == [without]


def test_without_its_network_nothing_is_kept_and_the_check_says_so(
    clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise EngineError("the network that hears speech is not installed")

    monkeypatch.setattr(speech_filter, "SpeechDetector", missing)
    clips.speech.switch(True)
    session = clips.new_session(None, "recording")
    noise = 0.1 * np.random.default_rng(1).standard_normal(RATE)
    assert store_part(clips, part_of(noise), source="trigger", session=session) is None
    assert store_part(clips, part_of(noise), source="recording", session=session) is not None
    check = speech_check.check(clips.speech.state())
    assert (check.state, "not installed" in check.says) == ("failing", True)
    clips.speech.switch(False)
    assert speech_check.check(clips.speech.state()).state == "not applicable"
