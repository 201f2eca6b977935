"""Clips and labels over HTTP: pages, labels, cuts, the sound itself and its picture."""

from __future__ import annotations

import io

import httpx
import numpy as np
import pytest
import soundfile
from PIL import Image

from appliance.api.spectrogram import Pictures, draw
from appliance.audio.flac import write_flac
from appliance.audio.mel import mel_power
from appliance.client import ClientError, quoted
from appliance.errors import DecodeError
from tests.api.conftest import RATE, Server, Sound
from tests.live.tones import write_version


def store(server: Server, sound: Sound, count: int = 1, **data: str) -> list[int]:
    """So many new clips; their ids."""
    files = [sound() for _ in range(count)]
    results = server.client().upload("/clips", files, data)["results"]
    return [clip["id"] for result in results for clip in result["clips"]]


def test_pages_hold_every_clip_once(server: Server, sound: Sound) -> None:
    ids = store(server, sound, 7, label="dog") + store(server, sound, 3)
    client = server.client()
    seen, cursor = [], None
    while True:
        page = client.get("/clips", limit=3, cursor=cursor)
        assert len(page["items"]) <= 3
        seen += [clip["id"] for clip in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(ids, reverse=True)
    assert [c["id"] for c in client.pages("/clips", limit=2, label="dog")] == seen[3:]
    assert [c["id"] for c in client.pages("/clips", unlabelled=True)] == seen[:3]


def test_filters_are_handed_on(server: Server, sound: Sound) -> None:
    [first] = store(server, sound, session="17", label="dog")
    [second] = store(server, sound, session="walk")
    client = server.client()

    def ids(**filters: object) -> list[int]:
        return [clip["id"] for clip in client.pages("/clips", **filters)]

    assert ids(session="17") == [first]
    number = client.get(f"/clips/{second}")["session"]
    assert ids(session=str(number)) == [second]
    assert ids(session_id=number) == [second]
    assert ids(source="import") == [second, first]
    assert ids(text="SOUND-1") == [second]
    assert ids(since=0, until=4e9) == [second, first]
    assert ids(since=4e9) == []


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "limit=x",
        "cursor=nonsense",
        "cursor=999999999999999999999999",
        "lable=dog",
        "label=nobody-has-it",
        "label=dog&unlabelled=true",
        "since=nan",
        "since=inf",
        "since=2&until=1",
        "source=nowhere",
        "session=unknown",
        "session=1&session_id=1",
        "session_id=99999999999999999999",
        "dataset_version=none",
        "label=a%00b",
    ],
)
def test_filters_that_mean_nothing_are_refused_in_words(shared: Server, query: str) -> None:
    answer = shared.http().get(f"/clips?{query}")
    problem = answer.json()
    assert answer.status_code in (404, 422), query
    assert problem["detail"]
    if "nobody" not in query and "none" not in query and "unknown" not in query:
        assert problem["advice"], query


def test_a_misspelt_filter_names_the_right_one(shared: Server) -> None:
    problem = shared.http().get("/clips?lable=dog").json()
    assert "label" in problem["advice"]


@pytest.mark.parametrize(
    "path", ["0", "-1", "99999999999999999999999999", "x", "1.5", "%2e%2e%2fstatus", "..%2f..%2f"]
)
def test_ids_that_are_none_are_refused(shared: Server, path: str) -> None:
    for tail in ("", "/audio", "/spectrogram.png", "/history"):
        assert shared.http().get(f"/clips/{path}{tail}").status_code in (404, 422)


def test_paths_that_climb_find_nothing(shared: Server) -> None:
    http = shared.anonymous()
    http.headers["Authorization"] = shared.http().headers["Authorization"]
    for path in (
        "/api/v1/clips/..%2f..%2f..%2fearmark.db",
        "/api/v1/versions/..%2f..%2ftoken",
        "/api/v1/versions/%2e%2e/export",
        "/api/v1/dataset-versions/..%2f..%2fearmark.db",
        "/api/v1/dataset-versions/%2e%2e%2ftoken",
        "/api/v1/jobs/..%2f1/log",
        "/api/v1/microphones/..%2f..%2fetc%2fpasswd",
        "/api/v1/labels/%2e%2e/threshold",
        "/..%2f..%2fetc/passwd",
        "//etc/passwd",
    ):
        answer = http.get(path)
        assert answer.status_code in (404, 422), path
        assert answer.headers["content-type"] == "application/problem+json"


def test_labelling_and_its_history(server: Server, sound: Sound) -> None:
    [clip] = store(server, sound)
    client = server.client()
    with pytest.raises(ClientError) as caught:
        client.put(f"/clips/{clip}/label", {"label": "dog"})
    assert caught.value.status == 404
    assert caught.value.advice
    client.post("/labels", {"name": "dog"})
    assert client.put(f"/clips/{clip}/label", {"label": "dog"})["label"] == "dog"
    assert client.put(f"/clips/{clip}/label", {"label": None})["label"] is None
    changes = client.get(f"/clips/{clip}/history")["items"]
    assert [(c["before"], c["after"], c["author"]) for c in changes] == [
        (None, "dog", "tester"),
        ("dog", None, "tester"),
    ]


def test_a_misspelt_label_suggests_the_right_one(server: Server, sound: Sound) -> None:
    [clip] = store(server, sound, label="doorbell")
    answer = server.http().put(f"/clips/{clip}/label", json={"label": "dorbell"})
    assert answer.status_code == 404
    assert "doorbell" in answer.json()["advice"]


def test_many_clips_by_ids_or_by_a_filter(server: Server, sound: Sound) -> None:
    ids = store(server, sound, 4)
    client = server.client()
    client.post("/labels", {"name": "rain"})
    assert client.post("/clips/label", {"clips": ids[:2], "label": "rain"})["changed"] == 2
    body = {"filter": {"unlabelled": True}, "label": "rain"}
    assert client.post("/clips/label", body)["changed"] == 2
    assert client.post("/clips/label", body)["changed"] == 0
    for bad in ({"label": "rain"}, {"clips": ids, "filter": {}, "label": "rain"}):
        with pytest.raises(ClientError) as caught:
            client.post("/clips/label", bad)
        assert caught.value.status == 422
    with pytest.raises(ClientError):
        client.post("/clips/label", {"clips": [*ids, 10**6], "label": None})
    assert client.get("/labels")["items"] == [{"name": "rain", "clips": 4, "sessions": 4}]


def test_labels_renamed_merged_deleted(server: Server, sound: Sound) -> None:
    store(server, sound, 2, label="hund & katz")
    store(server, sound, 1, label="cat")
    client = server.client()
    renamed = client.patch(f"/labels/{quoted('hund & katz')}", {"name": "dog"})
    assert renamed == {"name": "dog", "clips": 2, "sessions": 2}
    assert client.post("/labels/cat/merge", {"into": "dog"})["clips"] == 3
    assert client.delete("/labels/dog") == {"changed": 3}
    assert client.get("/labels")["items"] == []
    for bad in ("a\nb", "a/b", " ", "x" * 65):
        with pytest.raises(ClientError) as caught:
            client.post("/labels", {"name": bad})
        assert caught.value.status == 422
        assert caught.value.advice


def test_thresholds(server: Server) -> None:
    client = server.client()
    client.post("/labels", {"name": "dog"})
    assert client.get("/labels/dog/threshold")["own"] is False
    assert client.put("/labels/dog/threshold", {"value": 0.9})["value"] == 0.9
    assert client.get("/labels/dog/threshold") == {
        "label": "dog",
        "value": 0.9,
        "default": server.services.settings.listen.threshold,
        "own": True,
        "per_day": None,
        "expected": None,
    }
    for body in ({}, {"value": 0.9, "per_day": 1}, {"per_day": 1}, {"per_day": -1}):
        with pytest.raises(ClientError) as caught:
            client.put("/labels/dog/threshold", body)
        assert caught.value.status in (409, 422)  # nothing is deployed that could keep a rate
    assert client.get("/labels/dog/threshold")["value"] == 0.9
    assert client.put("/labels/dog/threshold", {"value": None})["own"] is False
    for bad in (-0.1, 0, 1.1, "high"):
        with pytest.raises(ClientError) as caught:
            client.put("/labels/dog/threshold", {"value": bad})
        assert caught.value.status == 422


def test_a_threshold_that_keeps_a_rate_says_what_it_rests_on(server: Server) -> None:
    client, services = server.client(), server.services
    result = write_version(services.house.folder.jobs / "made" / "result", {"dog": 440.0})
    made = services.house.versions.publish(
        result, job=None, dataset_version=None, parent=None, stopped="converged", seconds=1.0
    )
    services.house.deployments.deploy(made.name)
    client.post("/labels", {"name": "dog"})
    found = client.put("/labels/dog/threshold", {"per_day": 1})
    assert (found["per_day"], found["own"]) == (1, True)
    assert found["value"] == found["expected"]["threshold"]
    assert found["expected"]["guessed"]
    assert "less than an hour" in found["expected"]["sentence"]
    # A person's own score ends the rate.
    assert client.put("/labels/dog/threshold", {"value": 0.8})["per_day"] is None
    assert client.get("/rejected") == {"items": [], "next": None}
    with pytest.raises(ClientError) as caught:
        client.get("/rejected", microphone="nobody")
    assert caught.value.status == 404


def test_a_cut_becomes_a_clip(shared: Server, sound: Sound) -> None:
    [clip] = store(shared, sound)
    client = shared.client()
    body = {"start_s": 0.1, "end_s": 0.2, "label": "snippet"}
    made = client.post(f"/clips/{clip}/cut", body)
    assert made["parent"] == clip
    assert made["label"] == "snippet"
    assert made["duration_s"] == pytest.approx(0.1)
    for start, end in ((0.2, 0.1), (5, 6), (-1, 0.1)):
        with pytest.raises(ClientError) as caught:
            client.post(f"/clips/{clip}/cut", {"start_s": start, "end_s": end})
        assert caught.value.status == 422


def test_delete(shared: Server, sound: Sound) -> None:
    [clip] = store(shared, sound)
    client = shared.client()
    assert client.delete(f"/clips/{clip}") is None
    for call in (client.get, client.delete):
        with pytest.raises(ClientError, match=f"no clip {clip}"):
            call(f"/clips/{clip}")


# --- the sound --------------------------------------------------------------------------------


def test_the_sound_comes_back_sample_by_sample(shared: Server, sound: Sound) -> None:
    file = sound()
    [result] = shared.client().upload("/clips", [file])["results"]
    answer = shared.http().get(f"/clips/{result['clips'][0]['id']}/audio")
    assert answer.headers["content-type"] == "audio/flac"
    got, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    sent, _ = soundfile.read(file, dtype="int16")
    assert rate == RATE
    np.testing.assert_array_equal(got, sent)


def test_ranges_of_the_sound(shared: Server, sound: Sound) -> None:
    [clip] = store(shared, sound)
    http = shared.http()

    def audio(**headers: str) -> httpx.Response:
        return http.get(f"/clips/{clip}/audio", headers=headers)

    whole = audio()
    assert whole.headers["accept-ranges"] == "bytes"
    part = audio(Range="bytes=10-19")
    assert part.status_code == 206
    assert part.content == whole.content[10:20]
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert audio(Range="bytes=-5").content == whole.content[-5:]
    assert audio(Range="bytes=10-").content == whole.content[10:]
    beyond = audio(Range=f"bytes={len(whole.content) + 10}-")
    assert beyond.status_code == 416
    assert "content-range" in beyond.headers
    assert audio(Range="bytes=x-y").status_code in (200, 400, 416)
    fresh = {"Range": "bytes=0-3", "If-Range": whole.headers["etag"]}
    assert audio(**fresh).status_code == 206
    assert audio(**{**fresh, "If-Range": '"stale"'}).status_code == 200


def test_download_appears_whole_or_not_at_all(
    shared: Server, sound: Sound, tmp_path_factory: pytest.TempPathFactory
) -> None:
    [clip] = store(shared, sound)
    folder = tmp_path_factory.mktemp("download")
    target = shared.client().download(f"/clips/{clip}/audio", folder / "a.flac")
    assert target.read_bytes() == shared.http().get(f"/clips/{clip}/audio").content
    with pytest.raises(ClientError):
        shared.client().download("/clips/99999999/audio", folder / "b.flac")
    assert [path.name for path in folder.iterdir()] == ["a.flac"]


def test_a_sound_that_is_missing_on_disk_is_said_so(shared: Server, sound: Sound) -> None:
    [clip] = store(shared, sound)
    services = shared.services
    services.house.clips.path(services.house.clips.get(clip)).unlink()
    for tail in ("audio", "spectrogram.png"):
        answer = shared.http().get(f"/clips/{clip}/{tail}")
        assert 400 <= answer.status_code < 500
        assert answer.json()["advice"]


# --- its picture ------------------------------------------------------------------------------


def picture(content: bytes) -> np.ndarray:
    """Brightness [rows, columns], the first row at the top."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("L"), dtype=float)


def test_the_picture_shows_pitch_and_time() -> None:
    times = np.arange(RATE) / RATE
    low = 0.3 * np.sin(2 * np.pi * 300 * times)
    high = 0.3 * np.sin(2 * np.pi * 6000 * times)
    samples = np.concatenate([low, high]).astype(np.float32)
    shown = picture(draw(samples, RATE, 200, 100))
    assert shown.shape == (100, 200)
    early, late = shown[:, 20:80].mean(axis=1), shown[:, 120:180].mean(axis=1)

    def mel(hertz: float) -> float:
        return float(2595 * np.log10(1 + hertz / 700))

    for column, hertz in ((early, 300), (late, 6000)):
        expected = 100 * (1 - mel(hertz) / mel(RATE / 2))
        assert abs(float(np.argmax(column)) - expected) <= 2
    assert shown[:, 20:80].max() > 200


def test_the_power_of_a_tone_lies_in_its_row_whatever_the_rate() -> None:
    for rate in (8000, 16_000, 44_100, 48_000):
        tone = np.sin(2 * np.pi * 1000 * np.arange(rate) / rate).astype(np.float32)
        power = mel_power(tone, rate, 50, 64)
        assert power.shape == (64, 50)
        top = 2595 * np.log10(1 + rate / 2 / 700)
        row = 2595 * np.log10(1 + 1000 / 700) / top * 65 - 1
        assert abs(int(np.argmax(power[:, 25])) - row) <= 1


def test_pictures_of_almost_nothing_are_pictures() -> None:
    for samples in (np.zeros(RATE), np.ones(1) * 0.1, np.full(3, 0.5)):
        assert picture(draw(samples.astype(np.float32), RATE, 64, 32)).shape == (32, 64)
    assert picture(draw(np.zeros(RATE, np.float32), RATE, 64, 32)).max() < 5


def test_the_picture_over_http(shared: Server, sound: Sound) -> None:
    [clip] = store(shared, sound)
    http = shared.http()
    answer = http.get(f"/clips/{clip}/spectrogram.png?width=120&height=60")
    assert answer.headers["content-type"] == "image/png"
    assert picture(answer.content).shape == (60, 120)
    for query in ("width=0", "width=100000", "height=601", "width=x"):
        assert http.get(f"/clips/{clip}/spectrogram.png?{query}").status_code == 422


def test_few_pictures_are_kept(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(1).normal(scale=0.1, size=RATE).astype(np.float32)
    path = tmp_path_factory.mktemp("pictures") / "a.flac"
    write_flac(noise, RATE, path)
    pictures = Pictures()
    size = len(pictures.of("0", path, 64, 64))
    monkeypatch.setattr("appliance.api.spectrogram.CACHE_BYTES", 3 * size)
    for number in range(10):
        pictures.of(f"{number}", path, 64, 64)
    assert len(pictures._kept) == 3
    assert pictures._size == sum(map(len, pictures._kept.values())) <= 3 * size
    path.unlink()
    # What is kept needs no file any more.
    assert len(pictures.of("9", path, 64, 64)) == size
    with pytest.raises(DecodeError):
        pictures.of("0", path, 64, 64)
