"""A real microphone, as far as a machine without one can have it: PulseAudio's virtual source,
opened by PyAudio in the daemon's capture child. Recorded, triggered, lost, and found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from appliance.client import Client
from tests.box import Box, until
from tests.virtual_microphone import RATE, VirtualMicrophone, virtual_microphone

__all__ = ["virtual_microphone"]


def tone(frequency: float, seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def loudest_frequency(file: Path) -> float:
    samples, rate = soundfile.read(file, dtype="float32")
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def stored(box: Box, clip: dict[str, Any]) -> Path:
    return box.data / "clips" / clip["sha256"][:2] / f"{clip['sha256']}.flac"


def state(client: Client) -> str:
    return str(client.get("/microphones/bench")["status"]["state"])


def record(client: Client, seconds: float, label: str) -> dict[str, Any]:
    """Ask for a recording, wait for its end, and return its one clip."""
    started = client.post(
        "/recordings", {"microphones": ["bench"], "seconds": seconds, "label": label}
    )["items"][0]
    ended = until(
        lambda: (
            (found := client.get(f"/recordings/{started['id']}"))["state"] != "recording" and found
        ),
        "the recording to end",
    )
    (clip,) = until(
        lambda: client.get(f"/recordings/{started['id']}")["clips"], f"the clip of {ended}"
    )
    return dict(client.get(f"/clips/{clip}"))


def test_it_records_what_is_played_and_returns_after_it_was_lost(
    box: Box, virtual_microphone: VirtualMicrophone
) -> None:
    client = box.start()
    client.post("/microphones", {"source": "default", "name": "bench"})
    until(lambda: state(client) in ("running", "silent"), "the microphone to run")

    player = virtual_microphone.play(tone(1000, 8))
    until(
        lambda: client.get("/microphones/bench")["status"]["level_dbfs"] > -30, "the tone to arrive"
    )
    clip = record(client, 2, "hum")
    assert abs(clip["duration_s"] - 2) < 0.01
    assert clip["label"] == "hum"
    assert clip["source"] == "recording"
    assert abs(loudest_frequency(stored(box, clip)) - 1000) < 2
    player.wait(30)

    virtual_microphone.kill()
    until(lambda: state(client) not in ("running", "silent", "starting"), "the loss to be seen")
    assert client.get("/microphones/bench")["status"]["advice"]

    virtual_microphone.start()
    until(lambda: state(client) in ("running", "silent"), "the microphone to come back")
    virtual_microphone.play(tone(440, 8))
    until(
        lambda: client.get("/microphones/bench")["status"]["level_dbfs"] > -30, "the tone to arrive"
    )
    again = record(client, 1.5, "hum")
    assert abs(loudest_frequency(stored(box, again)) - 440) < 2
    assert client.get("/microphones/bench")["status"]["restarts"] >= 1


def test_it_records_by_itself_what_rises_above_the_background(
    box: Box, virtual_microphone: VirtualMicrophone
) -> None:
    client = box.start()
    client.post("/microphones", {"source": "default", "name": "bench"})
    client.put("/microphones/bench/trigger", {"preroll_s": 0.3, "postroll_s": 0.5})
    until(lambda: state(client) in ("running", "silent"), "the microphone to run")

    rng = np.random.default_rng(0)
    room = (0.001 * rng.standard_normal(10 * RATE)).astype(np.float32)
    for start in (4.0, 7.0):
        begin = int(start * RATE)
        beep = tone(2000, 0.6)
        room[begin : begin + len(beep)] += beep
    virtual_microphone.play(room)

    clips = until(
        lambda: (
            len(found := client.get("/clips", source="trigger", unlabelled=True)["items"]) >= 2
            and found
        ),
        "two clips in the inbox",
    )
    for clip in clips:
        assert 0.6 < clip["duration_s"] < 4
        assert clip["label"] is None
    assert any(abs(loudest_frequency(stored(box, clip)) - 2000) < 4 for clip in clips)
