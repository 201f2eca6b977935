"""Hearing a clip from afar by its link, on the box's speaker, and in outline."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.api.links import VALID_S, ClipLinks
from appliance.audio import playback as playing
from appliance.audio.flac import write_flac
from appliance.audio.playback import Playback
from appliance.client import ClientError
from appliance.errors import NotFound, Unavailable
from appliance.settings import HttpSettings
from tests.api.conftest import Server, Sound
from tests.api.test_clips import store
from tests.virtual_microphone import RATE, VirtualMicrophone, virtual_microphone

__all__ = ["virtual_microphone"]


def test_a_link_opens_one_sound_without_a_token_and_nothing_else(
    server: Server, sound: Sound
) -> None:
    first, second = store(server, sound, 2)
    link = server.client().post(f"/clips/{first}/link")
    assert link["url"] == f"{server.url}{link['path']}"
    assert f"-L {server.port}:127.0.0.1:{server.port}" in link["tunnel"]
    http = server.anonymous()
    heard = http.get(link["path"])
    assert heard.status_code == 200
    assert heard.content == server.client().content(f"/clips/{first}/audio")
    assert http.get(f"/api/v1/clips/{first}").status_code == 401

    ticket = link["path"].rpartition("/")[2]
    number, ends, signature = ticket.split("-")
    forged = [
        f"{second}-{ends}-{signature}",
        f"{number}-{int(ends) + 60}-{signature}",
        f"{number}-{ends}-{signature[:-1]}{'a' if signature[-1] != 'a' else 'e'}",
        f"{number}-{ends}-",
        "",
        "..%2f..%2ftoken",
        f"{ticket}/../{second}",
        "1" * 5000,
    ]
    for one in forged:
        assert http.get(f"/hear/{one}").status_code in (400, 401, 403, 404), one
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert http.request(method, link["path"]).status_code == 401, method
    foreign = http.get(link["path"], headers={"Host": "evil.example"})
    assert foreign.status_code == 403
    assert http.head(link["path"]).status_code in (200, 405)

    server.client().delete(f"/clips/{first}")
    assert http.get(link["path"]).status_code == 404
    with pytest.raises(ClientError):
        server.client().post("/clips/999999/link")


def test_a_link_ends_after_five_minutes_and_with_the_daemon() -> None:
    now = 1000.0
    links = ClipLinks(lambda: now)
    ticket = links.make(7).rpartition("/")[2]
    assert links.clip_of(ticket) == 7
    now += VALID_S - 1
    assert links.clip_of(ticket) == 7
    now += 2
    with pytest.raises(NotFound, match="not any more"):
        links.clip_of(ticket)
    now -= 100
    with pytest.raises(NotFound):
        ClipLinks(lambda: now).clip_of(ticket)


def test_a_wrong_link_counts_as_a_failure_and_its_ticket_is_never_logged(
    server: Server, sound: Sound, caplog: pytest.LogCaptureFixture
) -> None:
    [clip] = store(server, sound)
    link = server.client().post(f"/clips/{clip}/link")["path"]
    http = server.anonymous()
    torn = link[:-1]
    encoded = torn.replace("/hear/", "/he%61r/")
    with caplog.at_level("INFO"):
        first = http.get(torn)
        statuses = {http.get(encoded).status_code for _ in range(HttpSettings().failures_a_minute)}
    assert first.status_code == 401
    assert "five minutes" in first.json()["advice"]
    assert statuses == {401, 429}
    told = "".join(r.getMessage() for r in caplog.records if r.name.startswith("appliance"))
    assert "/hear/..." in told
    assert torn.rpartition("-")[2] not in told
    # A right link opens all the same.
    assert http.get(link).status_code == 200
    # With the token, or on the socket, a torn one is only not there.
    with pytest.raises(ClientError) as refused:
        server.client().get(f"../..{torn}")
    assert refused.value.status == 404


def test_a_stretch_alone_is_played_on_the_speaker_of_the_setting(
    server: Server, sound: Sound, tmp_path: Path
) -> None:
    [clip] = store(server, sound)
    script = f"import sys; open({str(tmp_path / 'order')!r}, 'w').write(sys.argv[1])"
    server.services.playback = Playback((sys.executable, "-c", script), speaker="USB")
    client = server.client()
    length = client.get(f"/clips/{clip}")["duration_s"]
    client.post(f"/clips/{clip}/play", {"start_s": 0.1, "end_s": 0.3})
    order = json.loads((tmp_path / "order").read_text())
    assert (order["start_s"], order["end_s"], order["speaker"]) == (0.1, 0.3, "USB")
    client.post(f"/clips/{clip}/play")
    order = json.loads((tmp_path / "order").read_text())
    assert (order["start_s"], order["end_s"]) == (0, None)
    for wrong in ({"start_s": length}, {"start_s": 0.3, "end_s": 0.1}, {"start_s": -1}, {"end": 1}):
        with pytest.raises(ClientError) as refused:
            client.post(f"/clips/{clip}/play", wrong)
        assert refused.value.status in (400, 422), wrong


def test_an_outline_shows_where_the_sound_is(server: Server, tmp_path: Path) -> None:
    rate = 16_000
    samples = np.zeros(2 * rate, np.float32)
    samples[rate:] = 0.5 * np.sin(2 * np.pi * 4000 * np.arange(rate) / rate)
    soundfile.write(tmp_path / "late.wav", samples, rate)
    answer = server.client().upload("/clips", [tmp_path / "late.wav"])
    [clip] = answer["results"][0]["clips"]
    seen = server.client().get(f"/clips/{clip['id']}/outline", columns=40, rows=16)
    spectrum = np.frombuffer(bytes.fromhex(seen["spectrum"]), np.uint8).reshape(40, 16)
    peaks = np.frombuffer(bytes.fromhex(seen["peaks"]), np.uint8)
    assert seen["duration_s"] == pytest.approx(2)
    assert (peaks[:19] < 3).all()
    assert (np.abs(peaks[21:] - 127.5) < 3).all()
    loudest = spectrum[22:38].mean(axis=0)
    assert 9 <= int(loudest.argmax()) <= 13  # 4 kHz of 8 on the mel scale
    assert spectrum[:18].max() < 60 < loudest.max()
    with pytest.raises(ClientError):
        server.client().get(f"/clips/{clip['id']}/outline", columns=100_000)


def test_a_clip_is_heard_on_the_speaker(
    virtual_microphone: VirtualMicrophone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The null sink stands for the speaker; its monitor hears what was played."""
    import pyaudio

    times = np.arange(60 * 16_000) / 16_000
    # It begins with another tone: only the second is asked for, for longer than it takes to listen.
    tone = 0.5 * np.sin(2 * np.pi * np.where(times < 3, 400, 1000) * times)
    piece = write_flac(tone.astype(np.float32), 16_000, tmp_path / "tone.flac")
    with monkeypatch.context() as patch:
        # On a busy machine the child takes longer to find out.
        patch.setattr(playing, "STARTS_WITHIN_S", 60.0)
        with pytest.raises(Unavailable, match="whose name holds 'no such'"):
            Playback(speaker="no such").play(piece.path)
    playback = Playback()
    playback.play(piece.path, 3.0, 60.0)
    audio = pyaudio.PyAudio()
    try:
        stream = audio.open(format=pyaudio.paInt16, channels=1, rate=RATE, input=True)
        deadline = time.monotonic() + 50
        while time.monotonic() < deadline:
            heard = np.frombuffer(stream.read(RATE // 2), np.int16).astype(np.float64)
            if np.abs(heard).max() > 5000:
                break
        heard = np.frombuffer(stream.read(RATE // 4), np.int16).astype(np.float64)
        stream.close()
    finally:
        audio.terminate()
        playback.stop()
    spectrum = np.abs(np.fft.rfft(heard * np.hanning(len(heard))))
    assert np.argmax(spectrum) * RATE / len(heard) == pytest.approx(1000, abs=8)


def test_without_a_speaker_the_box_says_so_and_goes_on(
    server: Server, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playing, "STARTS_WITHIN_S", 60.0)
    [clip] = store(server, sound)
    script = 'print(\'{"message": "the box has no speaker", "advice": "take the link"}\'); exit(1)'
    server.services.playback = Playback((sys.executable, "-c", script))
    with pytest.raises(ClientError, match="no speaker"):
        server.client().post(f"/clips/{clip}/play")
    crash = Playback((sys.executable, "-c", "import os; os.abort()"))
    with pytest.raises(Unavailable, match="status -6"):
        crash.play(Path("any"))
    server.client().delete("/playback")
