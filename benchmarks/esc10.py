"""ESC-10, its five folds: the product's trainer against MFCC + random forest and SVM.

    .venv/bin/python benchmarks/esc10.py [--folds 1 2 3 4 5] [--minutes 3] [--threads 2] [--json]

Each fold is held out once. A training is the product's own child on the product's own job
folder; its minutes span child start to written result; the last averaged weights are judged, and
nothing is chosen on the held-out clips. The other methods run on the same clips in the same run.
Goals: at least 94.5 % in 3 minutes on 2 cores, and an error at most 0.32 of each other method's.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
from classic import mfcc_statistics, right_predictions
from training_job import Recording, as_flac, data_folder, train_holdout

GOAL_ACCURACY = 0.945
GOAL_RATIO = 0.32
RATE = 16000


def recordings(folder: Path) -> list[Recording]:
    """All 400 clips. `1-4211-A.ogg` is from fold 1 and from the recording 4211."""
    found = []
    for source in sorted((data_folder() / "esc10").glob("*/*.ogg")):
        match = re.match(r"(\d)-(\d+)", source.stem)
        assert match is not None, source
        label = source.parent.name.partition(" - ")[2]
        found.append(Recording(as_flac(source, folder), label, int(match[2]), int(match[1])))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = recordings(folder)
        features = mfcc_statistics([clip.path for clip in clips], RATE)
        labels = np.array([clip.label for clip in clips])
        groups = np.array([clip.group for clip in clips])
        rows, right, total = [], {"earmark": 0, "random forest": 0, "SVM": 0}, 0
        for fold in options.folds:
            held = groups == fold
            for method, count in right_predictions(features, labels, held).items():
                right[method] += count
            row = train_holdout(
                folder / f"fold{fold}",
                clips,
                fold,
                seconds=options.minutes * 60,
                threads=options.threads,
                seed=options.seed,
            )
            right["earmark"] += row["right"]
            total += int(held.sum())
            rows.append({"fold": fold, **row})
            if not options.json:
                print(
                    f"fold {fold}: {row['accuracy']:.2%}, {row['epochs']:.0f} epochs, "
                    f"{row['windows_per_second']:.0f} clips/s, {row['active_s']:.0f} s",
                    flush=True,
                )
    accuracy = {method: count / total for method, count in right.items()}
    error = 1 - accuracy["earmark"]
    ratios = {m: error / max(1 - accuracy[m], 1e-9) for m in ("random forest", "SVM")}
    passed = accuracy["earmark"] >= GOAL_ACCURACY and max(ratios.values()) <= GOAL_RATIO
    report = {"accuracy": accuracy, "error_ratio": ratios, "passed": passed, "folds": rows}
    if options.json:
        print(json.dumps(report))
    else:
        for method, value in accuracy.items():
            print(f"{method:14} {value:.2%}")
        for method, ratio in ratios.items():
            print(f"error against {method}: {ratio:.2f} (goal: at most {GOAL_RATIO})")
        print("goal reached" if passed else "goal missed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
