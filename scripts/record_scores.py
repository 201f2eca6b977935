"""Keep the scores of a long stream for tests/live/test_recorded_stream.py.

    .venv/bin/python scripts/record_scores.py --model FOLDER

FOLDER is one that `benchmarks/false_alarms.py --model FOLDER` has filled: what a network that was
taught four folds of ESC-10 says to the first hour of the fifth's stream, and what sounded when.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "benchmarks"))

from alarms import listen  # noqa: E402
from false_alarms import GAP_S, KNOWN, REPEATS, UNKNOWN  # noqa: E402
from scene import Scene  # noqa: E402

from appliance.models.card import read_card  # noqa: E402
from appliance.models.onnx_engine import OnnxEngine  # noqa: E402

FOLD, SECONDS = 3, 3600.0
TARGET = REPOSITORY / "tests" / "live" / "recorded_stream.npz"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    result = parser.parse_args().model / f"fold-{FOLD}" / "job" / "result"
    engine = OnnxEngine(result / "model.onnx", read_card(result / "card.json"), threads=2)
    stream, played = Scene((FOLD,)).mix(KNOWN, UNKNOWN, repeats=REPEATS, gap_s=GAP_S)
    scores = listen(engine, stream[: int(SECONDS * engine.sample_rate)])
    whole = [sound for sound in played if sound.end_s < SECONDS - 10]
    np.savez_compressed(
        TARGET,
        ends=scores.ends,
        probabilities=scores.probabilities.astype(np.float16),
        classes=np.array(scores.classes),
        window_s=scores.window_s,
        hop_s=scores.hop_s,
        labels=np.array([sound.label for sound in whole]),
        known=np.array([sound.known for sound in whole]),
        spans=np.array([(sound.start_s, sound.end_s) for sound in whole]),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
