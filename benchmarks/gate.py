"""How fast a version hears the history. Run: python benchmarks/gate.py VERSION_FOLDER

Processor time, not time on the clock, so that a busy machine says the same. VERSION_FOLDER holds
model.onnx and card.json, as `versions/V001` of a data folder does.
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

import numpy as np

from appliance.gate.hearing import Hearer
from appliance.live.decision import Rules
from appliance.models.engine import open_reference_engine

MINUTES, RATE = 3, 16_000


def main(folder: Path) -> None:
    sha256 = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    engine = open_reference_engine(folder, sha256)
    hearer = Hearer(engine, Rules(), lambda _: 0.75)
    minute = (0.05 * np.random.default_rng(0).standard_normal(60 * RATE)).astype(np.float32)
    hearer.push(minute, RATE)
    began = time.process_time()
    for _ in range(MINUTES):
        hearer.push(minute, RATE)
    took = time.process_time() - began
    hearer.finish()
    speed = 60 * MINUTES / took
    print(f"window {engine.window_samples / engine.sample_rate:g} s, {len(engine.classes)} classes")
    print(f"{speed:.0f} times real time on one core; 6 h in {6 * 3600 / speed:.0f} s")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
