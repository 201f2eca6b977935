"""Files become clips; bad ones are named with their cause and stop none of the others."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from appliance.client import Client, ClientError
from tests.api.conftest import RATE, Server, Sound, incoming


def send(http: httpx.Client, *files: Path, **data: Any) -> httpx.Response:
    parts = [("file", (file.name, file.read_bytes())) for file in files]
    return http.post("/clips", files=parts, data=data)


def header(
    rate: int = RATE, channels: int = 1, claimed: int | None = None, data: bytes = b""
) -> bytes:
    """A WAV file of 16-bit samples, whose header says what it is told to say."""
    size = len(data) if claimed is None else claimed
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    riff = b"RIFF" + struct.pack("<I", (36 + size) & 0xFFFFFFFF) + b"WAVE"
    return riff + b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size) + data


def test_a_file_becomes_a_labelled_clip(shared: Server, sound: Sound) -> None:
    file = sound(seconds=1.5)
    answer = send(shared.http(), file, label="bell", session="walk", extra='{"who": "me"}')
    assert answer.status_code == 201
    [result] = answer.json()["results"]
    assert result["filename"] == file.name
    assert result["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert result["new"] is True
    assert result["error"] is None
    [clip] = result["clips"]
    assert clip["label"] == "bell"
    assert clip["session_key"] == "walk"
    assert clip["extra"] == {"who": "me"}
    assert clip["duration_s"] == pytest.approx(1.5)
    assert shared.http().get(f"/clips/{clip['id']}").json() == clip


def test_the_same_file_twice_is_one_clip_and_is_not_decoded_again(
    shared: Server, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = sound()
    first = send(shared.http(), file).json()["results"][0]
    monkeypatch.setattr(shared.services.house.decoder, "to_flac", None)
    second = send(shared.http(), file).json()["results"][0]
    assert second["new"] is False
    assert [clip["id"] for clip in second["clips"]] == [clip["id"] for clip in first["clips"]]


def test_a_known_file_takes_a_label_when_it_has_none_and_keeps_the_one_it_has(
    shared: Server, sound: Sound
) -> None:
    file = sound()
    send(shared.http(), file)
    labelled = send(shared.http(), file, label="tap").json()["results"][0]
    assert labelled["clips"][0]["label"] == "tap"
    kept = send(shared.http(), file, label="drip")
    assert kept.status_code == 201
    [result] = kept.json()["results"]
    assert result["clips"][0]["label"] == "tap"
    assert result["error"]["status"] == 409
    assert "'tap'" in result["error"]["detail"]


def test_a_long_file_becomes_consecutive_clips_of_one_session(shared: Server, sound: Sound) -> None:
    [result] = send(shared.http(), sound(seconds=2.5), split="1").json()["results"]
    assert [clip["start_s"] for clip in result["clips"]] == [0, 1, 2]
    assert len({clip["session"] for clip in result["clips"]}) == 1


def test_many_files_each_with_its_own_label_and_session(shared: Server, sound: Sound) -> None:
    files = [sound() for _ in range(3)]
    items = [
        {"filename": "walk/a.wav", "label": "a", "session": "s-1"},
        {"label": "b"},
        {"session": "s-1", "label": None},
    ]
    results = send(shared.http(), *files, label="c", items=json.dumps(items)).json()["results"]
    clips = [result["clips"][0] for result in results]
    assert [clip["label"] for clip in clips] == ["a", "b", None]
    assert clips[0]["filename"] == "a.wav"
    assert clips[0]["session"] == clips[2]["session"] != clips[1]["session"]


def bad_files(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Each file that issue A names, and a word of the cause that a person must read."""
    good = folder / "good.wav"
    soundfile.write(good, np.full(RATE, 0.1, np.float32), RATE)
    nan = folder / "nan.wav"
    soundfile.write(nan, np.full(RATE, np.nan, np.float32), RATE, subtype="FLOAT")
    whole = good.read_bytes()
    return {
        "empty.wav": (b"", "empty"),
        "truncated.wav": (whole[: len(whole) // 2], "cut short"),
        "text.wav": (b"this is not a sound\n" * 50, "text"),
        "zero-rate.wav": (header(rate=0, data=b"\1\0" * 100), "0 Hz"),
        "claims-2-gb.wav": (header(claimed=2_000_000_000, data=b"\1\0" * 100), "2.0 GB"),
        "nan.wav": (nan.read_bytes(), "NaN"),
        "32-channels.wav": (header(channels=32, data=b"\1\0" * 3200), "32 channels"),
    }


def test_each_bad_file_is_refused_with_its_cause_and_advice(server: Server, tmp_path: Path) -> None:
    for name, (content, word) in bad_files(tmp_path).items():
        answer = server.http().post("/clips", files={"file": (name, content)})
        problem = answer.json()
        assert answer.status_code == 422, name
        assert answer.headers["content-type"] == "application/problem+json"
        assert word in problem["detail"], name
        assert problem["advice"], name
    assert server.services.house.clips.count() == 0
    assert incoming(server.services) == []


def test_bad_files_stop_none_of_the_others(server: Server, tmp_path: Path, sound: Sound) -> None:
    parts = [("file", (name, content)) for name, (content, _) in bad_files(tmp_path).items()]
    good = sound()
    parts.insert(3, ("file", (good.name, good.read_bytes())))
    answer = server.http().post("/clips", files=parts)
    assert answer.status_code == 201
    results = answer.json()["results"]
    assert [result["error"] is None for result in results] == [i == 3 for i in range(len(parts))]
    assert server.services.house.clips.count() == 1
    assert incoming(server.services) == []


@pytest.mark.parametrize("label", ["a\nb", "a/b", "", "x" * 65, "..", "tab\there"])
def test_a_bad_label_in_an_upload_is_refused(server: Server, sound: Sound, label: str) -> None:
    items = json.dumps([{"label": label}])
    answer = send(server.http(), sound(), items=items)
    assert answer.status_code == 422
    assert answer.json()["advice"]
    assert server.services.house.clips.count() == 0
    assert server.services.house.labels.all() == []


def test_a_file_name_with_a_newline_is_refused_and_folders_in_a_name_are_dropped(
    shared: Server, sound: Sound
) -> None:
    content = sound().read_bytes()
    answer = shared.http().post("/clips", files={"file": ("bad\nname.wav", content)})
    assert answer.status_code == 422
    assert "line break" in answer.json()["detail"]
    answer = shared.http().post("/clips", files={"file": ("../../etc/passwd", content)})
    assert answer.json()["results"][0]["clips"][0]["filename"] == "passwd"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({"lable": "dog"}, "label"),
        ({"split": "0.1"}, "split"),
        ({"split": "NaN"}, "split"),
        ({"items": "[{}, {}]"}, "items"),
        ({"items": "not json"}, "items"),
        ({"extra": "[1]"}, "extra"),
        ({"extra": json.dumps({"x": "y" * 20_000})}, "columns"),
    ],
)
def test_bad_fields_are_named(
    server: Server, sound: Sound, data: dict[str, str], word: str
) -> None:
    answer = send(server.http(), sound(), **data)
    problem = answer.json()
    assert answer.status_code == 422
    assert word in problem["detail"] + problem["advice"]
    assert problem["advice"]
    assert server.services.house.clips.count() == 0
    assert incoming(server.services) == []


def test_other_bodies_than_multipart_are_refused_in_words(shared: Server) -> None:
    http = shared.http()
    for answer in (
        http.post("/clips", json={"file": "a.wav"}),
        http.post("/clips", content=b"x", headers={"Content-Type": "multipart/form-data"}),
        http.post(
            "/clips", content=b"x", headers={"Content-Type": "multipart/form-data; boundary=b"}
        ),
        http.post("/clips", files={"label": (None, "dog")}),
        http.post("/clips", files={"sound": ("a.wav", b"x")}),
        http.post("/clips"),
    ):
        assert answer.status_code == 422, answer.text
        assert answer.json()["advice"]


def test_at_most_64_files_a_request(server: Server) -> None:
    parts = [("file", (f"{number}.wav", b"x")) for number in range(65)]
    answer = server.http().post("/clips", files=parts)
    assert answer.status_code == 422
    assert "64" in answer.json()["detail"]
    assert incoming(server.services) == []


def test_known_tells_what_an_import_need_not_send_again(shared: Server, sound: Sound) -> None:
    file, other = sound(), sound()
    [result] = send(shared.http(), file).json()["results"]
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (file, other)]
    client = shared.client()
    known = client.post("/clips/known", {"sha256": hashes})["known"]
    assert known == {hashes[0]: [clip["id"] for clip in result["clips"]]}
    assert client.post("/clips/known", {"sha256": hashes, "split": 5})["known"] == {}
    with pytest.raises(ClientError, match="not a SHA-256"):
        client.post("/clips/known", {"sha256": ["../../etc/passwd"]})


def test_the_client_uploads_from_disk_and_by_names_of_its_own(shared: Server, sound: Sound) -> None:
    file = sound()
    client: Client = shared.client()
    answer = client.upload("/clips", [file, ("b.wav", sound()), ("c.wav", sound().read_bytes())])
    assert [result["filename"] for result in answer["results"]] == [file.name, "b.wav", "c.wav"]
    assert all(result["new"] for result in answer["results"])
    with pytest.raises(ClientError) as caught:
        client.upload("/clips", [("empty.wav", b"")])
    assert caught.value.status == 422
    assert caught.value.advice
