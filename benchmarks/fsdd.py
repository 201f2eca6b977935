"""Spoken digits of a speaker who was never heard: FSDD, leave one speaker out.

    .venv/bin/python benchmarks/fsdd.py [--speakers theo ...] [--seconds 30] [--threads 2] [--json]

3,000 recordings at 8 kHz, mostly under half a second, of six speakers. As in esc10.py, the
product's own child trains and judges; its seconds span child start to written result.
Goal: at least 90 %.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from classic import mfcc_statistics, right_predictions
from training_job import Recording, as_flac, data_folder, train_holdout

GOAL_ACCURACY = 0.90
RATE = 8000


def recordings(folder: Path) -> tuple[list[Recording], list[str]]:
    """All recordings, `7_jackson_32.wav`; a speaker is a session and a group."""
    sources = sorted((data_folder() / "fsdd" / "recordings").glob("*.wav"))
    speakers = sorted({source.stem.split("_")[1] for source in sources})
    found = []
    for source in sources:
        digit, speaker, _ = source.stem.split("_")
        number = speakers.index(speaker)
        found.append(Recording(as_flac(source, folder), digit, number, number))
    return found, speakers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speakers", nargs="+", default=None, help="all when not given")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips, speakers = recordings(folder)
        features = mfcc_statistics([clip.path for clip in clips], RATE)
        labels = np.array([clip.label for clip in clips])
        groups = np.array([clip.group for clip in clips])
        rows, right, total = [], {"earmark": 0, "random forest": 0, "SVM": 0}, 0
        for speaker in options.speakers or speakers:
            number = speakers.index(speaker)
            held = groups == number
            for method, count in right_predictions(features, labels, held).items():
                right[method] += count
            row = train_holdout(
                folder / speaker,
                clips,
                number,
                seconds=options.seconds,
                threads=options.threads,
                seed=options.seed,
            )
            right["earmark"] += row["right"]
            total += int(held.sum())
            rows.append({"speaker": speaker, **row})
            if not options.json:
                print(
                    f"{speaker}: {row['accuracy']:.2%}, {row['epochs']:.1f} epochs, "
                    f"{row['windows_per_second']:.0f} clips/s, {row['active_s']:.0f} s",
                    flush=True,
                )
    accuracy = {method: count / total for method, count in right.items()}
    passed = accuracy["earmark"] >= GOAL_ACCURACY
    if options.json:
        print(json.dumps({"accuracy": accuracy, "passed": passed, "speakers": rows}))
    else:
        for method, value in accuracy.items():
            print(f"{method:14} {value:.2%}")
        print("goal reached" if passed else "goal missed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
