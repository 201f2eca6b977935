"""What the trainer is compared with: statistics of MFCCs, a random forest and an SVM.

The usual small-data method, done well: 20 MFCCs with first and second differences, their means
and deviations, and the extremes and median of the MFCCs themselves (180 numbers a clip).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
import torch
import torchaudio
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

SHORTEST = 4096


def mfcc_statistics(paths: Sequence[Path], rate: int) -> np.ndarray[Any, Any]:
    """[clips, 180] at `rate`; silence at the ends is cut off."""
    coarse = rate > 8000
    transform = torchaudio.transforms.MFCC(
        rate,
        n_mfcc=20,
        melkwargs={
            "n_fft": int(rate * 0.064) if coarse else 512,
            "hop_length": int(rate * 0.016) if coarse else 80,
            "n_mels": 64 if coarse else 40,
            "center": True,
        },
    )
    rows = []
    for path in paths:
        samples, native = soundfile.read(path, dtype="float32", always_2d=True)
        signal = samples.mean(axis=1)
        if native != rate:
            signal = soxr.resample(signal, native, rate, quality="HQ")
        loud = np.flatnonzero(np.abs(signal) > 0)
        if len(loud) > SHORTEST:
            signal = signal[loud[0] : loud[-1] + 1]
        signal = np.pad(signal, (0, max(0, SHORTEST - len(signal))))
        with torch.no_grad():
            mfcc = transform(torch.from_numpy(signal))
            first = torchaudio.functional.compute_deltas(mfcc)
            second = torchaudio.functional.compute_deltas(first)
            parts = [f(x) for x in (mfcc, first, second) for f in (_mean, _deviation)]
            parts += [mfcc.amin(1), mfcc.amax(1), mfcc.median(1).values]
        rows.append(torch.cat(parts).numpy())
    return np.nan_to_num(np.array(rows))


def _mean(x: torch.Tensor) -> torch.Tensor:
    return x.mean(1)


def _deviation(x: torch.Tensor) -> torch.Tensor:
    return x.std(1)


def classic_models(seed: int) -> dict[str, Any]:
    return {
        "random forest": RandomForestClassifier(500, random_state=seed, n_jobs=1),
        "SVM": make_pipeline(StandardScaler(), SVC(C=10, gamma="scale", random_state=seed)),
    }


def right_predictions(
    features: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], held: np.ndarray[Any, Any]
) -> dict[str, int]:
    """How many of the held-out clips each method gets right."""
    answers = {}
    for name, model in classic_models(0).items():
        model.fit(features[~held], labels[~held])
        answers[name] = int((model.predict(features[held]) == labels[held]).sum())
    return answers
