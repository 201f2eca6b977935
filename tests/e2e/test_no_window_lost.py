"""Listening loses no window while a version is heard for its deployment, while an engine is built,
swapped in, and built anew after a start."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import soundfile
import soxr

from appliance.client import Client, quoted
from tests.box import Box, until
from tests.e2e.fitted import fitted_archive
from tests.e2e.test_gate import sounds
from tests.e2e.test_listening import RATE, scene

MODEL_RATE, WINDOW_S, HOP_S = 16_000, 1.0, 0.3
SCENE_S, SPEED = 20.0, 4


def play(client: Client, file: Path) -> None:
    source = f"replay:{file}?speed={SPEED}"
    client.post("/microphones", {"source": source, "name": "yard"})


def every_window_was_heard(client: Client) -> None:
    """To the end of the scene, which then goes."""
    until(
        lambda: client.get(f"/microphones/{quoted('yard')}")["status"]["state"] == "ended",
        "the end of the scene",
    )
    all_windows = int((SCENE_S - WINDOW_S) / HOP_S + 1e-6) + 1
    (now,) = until(
        lambda: [h for h in client.get("/hearing").values() if h["windows"] >= all_windows],
        f"{all_windows} windows",
    )
    assert now["windows"] == all_windows
    assert now["missed"] == now["resets"] == now["lost_frames"] == 0
    client.delete("/microphones/yard")


@pytest.mark.slow(20)
@pytest.mark.timeout(300)
def test_comparison_build_swap_and_rebuild_cost_no_window(
    patient: Box, test_data: Path, tmp_path: Path
) -> None:
    client = patient.start()
    archive = fitted_archive(sounds(test_data, tmp_path, 0, 8), tmp_path)
    client.upload("/versions/import", [archive])
    for label, files in sounds(test_data, tmp_path, 8, 4).items():
        client.upload("/clips", files, {"label": label})
    client.post("/deployments", {"version": "V001"})
    file = tmp_path / "scene.wav"
    scene(test_data, file)
    samples, _ = soundfile.read(file, dtype="float32")
    heard = soxr.resample(samples, RATE, MODEL_RATE)[: round(SCENE_S * MODEL_RATE)]
    soundfile.write(file, heard, MODEL_RATE)

    # It is heard in a child, compiled in another, and swapped in, while the scene plays.
    with ThreadPoolExecutor(1) as pool, Client.find(data=patient.data) as other:
        body = {"version": "V001", "precision": "fp16"}
        deploying = pool.submit(other.post, "/deployments", body)
        play(client, file)
        deployed = deploying.result()
    report = client.get(f"/deployments/{deployed['id']}/comparison")["report"]
    assert report["clips_heard"] == 12
    assert report["candidate"]["precision"] == "fp16"
    every_window_was_heard(client)

    # An engine that is gone is built anew while ONNX Runtime listens.
    assert patient.stop() == 0
    for engine in (patient.data / "engines").glob("*.engine"):
        engine.unlink()
    client = patient.start()
    play(client, file)
    every_window_was_heard(client)
    until(lambda: not client.get("/status")["deployment"]["notice"], "the engine to be built anew")
    assert list((patient.data / "engines").glob("*.engine"))
    assert "built anew" in patient.log.read_text()
