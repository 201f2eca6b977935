"""Near duplicates through the API: a copy is told of wherever its clip is seen."""

from __future__ import annotations

import io

import numpy as np
import soundfile

from tests.api.conftest import RATE, Server
from tests.box import until


def test_a_copy_is_told_of_wherever_the_clip_is_seen(server: Server) -> None:
    """The same sound as WAV and as MP3, in one request, and a stranger."""
    noise = np.random.default_rng(5)
    sound, stranger = (noise.normal(scale=0.1, size=2 * RATE).astype(np.float32) for _ in range(2))

    def file(samples: np.ndarray, form: str) -> bytes:
        content = io.BytesIO()
        soundfile.write(content, samples, RATE, format=form)
        return content.getvalue()

    client = server.client()
    files = [("a.wav", file(sound, "WAV")), ("a.mp3", file(sound * 0.6, "MP3"))]
    results = client.upload("/clips", [*files, ("b.wav", file(stranger, "WAV"))])["results"]
    wav, mp3, other = (result["clips"][0]["id"] for result in results)
    server.services.house.fingerprints.start()
    until(lambda: client.get(f"/clips/{wav}")["near_duplicates"] is not None, "the comparison")
    server.services.house.fingerprints.stop()
    assert client.get(f"/clips/{wav}")["near_duplicates"] == [mp3]
    assert client.get(f"/clips/{other}")["near_duplicates"] == []
    assert {clip["id"] for clip in client.pages("/clips", duplicates=True)} == {wav, mp3}
    [found] = client.get(f"/clips/{mp3}/duplicates")["items"]
    assert (found["clip"], found["filename"], found["label"]) == (wav, "a.wav", None)
    assert found["similarity"] > 0.85

    for label in ("pump", "fan"):
        client.post("/labels", {"name": label})
    assert client.post("/clips/label", {"clips": [wav, other], "label": "pump"})["warnings"] == []
    told = client.post("/clips/label", {"clips": [mp3], "label": "fan"})
    assert told["changed"] == 1
    assert told["warnings"] == [f"clip {mp3} (fan) is nearly the same sound as clip {wav} (pump)"]
    # A cut of it is of its session anyway, and a clip that is gone is nobody's copy.
    client.post(f"/clips/{wav}/cut", {"start_s": 0.2, "end_s": 1.8})
    assert client.get(f"/clips/{wav}")["near_duplicates"] == [mp3]
    client.delete(f"/clips/{mp3}")
    assert client.get(f"/clips/{wav}")["near_duplicates"] == []
