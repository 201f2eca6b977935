"""A sound that was recorded six times in the same way is found in a noisy room all the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile

from tests.training.job_folder import Clip, entry, read_json, run_worker, worker_log, write_job

RATE = 16_000
ALARMS = {"smoke alarm": 3_100.0, "door bell": 900.0}
CLIP_S = 4.0


def alarm(hz: float, take: int, seconds: float = CLIP_S) -> np.ndarray:
    """Beeps of a quarter of a second: one take is nearly as the other."""
    draw = np.random.default_rng(take)
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * n * hz * time + draw.uniform(0, 6)) / n for n in (1, 2, 3))
    beeps = 0.15 * tone * (np.floor(time / 0.25) % 2 == 0)
    return beeps + 0.0005 * draw.standard_normal(len(time))


def room(seconds: float, seed: int) -> np.ndarray:
    """Noise that falls off with frequency, at a level of 1."""
    draw = np.random.default_rng(seed)
    spectrum = np.fft.rfft(draw.standard_normal(round(seconds * RATE)))
    spectrum /= np.sqrt(np.arange(1, len(spectrum) + 1))
    noise = np.fft.irfft(spectrum)
    return noise / noise.std()


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """Six takes of each alarm in a quiet room, and six of the room."""
    folder = tmp_path_factory.mktemp("clips")
    sounds = {label: [alarm(hz, take) for take in range(6)] for label, hz in ALARMS.items()}
    sounds["background"] = [0.002 * room(1.5 * CLIP_S, take) for take in range(6)]
    made = []
    for label, takes in sounds.items():
        for take, samples in enumerate(takes):
            file = folder / f"{label} {take}.flac"
            soundfile.write(file, samples.clip(-1, 1), RATE, subtype="PCM_16")
            made.append(entry(file, label, len(made), int(take >= 3)))
    return made


@pytest.mark.slow
def test_an_alarm_without_variety_is_found_over_noise(clips: list[Clip], tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", clips, protocol="holdout", steps=80)
    assert run_worker(folder) == 0, worker_log(folder)
    card = read_json(folder / "result" / "card.json")
    assert card["train"]["familiar_middle"] is not None, "it tells unfamiliar sounds from known"
    session = onnxruntime.InferenceSession(folder / "result" / "model.onnx")

    def heard(sound: np.ndarray) -> dict[str, float]:
        """The highest score of each class in windows half a second apart."""
        window = card["window_samples"]
        cut = [sound[at : at + window] for at in range(0, len(sound) - window + 1, RATE // 2)]
        windows = np.stack(cut).astype(np.float32)
        scores = session.run(["probabilities"], {"waveform": windows})[0].max(axis=0)
        return dict(zip(card["classes"], scores.tolist(), strict=True))

    for label, hz in ALARMS.items():
        sound = alarm(hz, 77)
        loud = float(np.sqrt(np.mean(sound[: RATE // 4] ** 2)))
        for ratio_db in (30.0, 20.0):
            for level in (1.0, 0.05):
                noise = loud * 10 ** (-ratio_db / 20) * room(9.0, 78)
                scene = noise.copy()
                scene[3 * RATE : 3 * RATE + len(sound)] += sound
                assert heard(level * scene)[label] > 0.7, (label, ratio_db, level)
                others = heard(level * noise)
                assert max(others[name] for name in ALARMS) < 0.3, (label, ratio_db, level)
