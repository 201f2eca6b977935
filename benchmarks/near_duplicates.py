"""Near duplicates: what is found of copies, what is flagged wrongly, and how fast at 100,000 clips.

Every pair of ESC-10's 400 clips and of 400 of FSDD's digits is compared; pairs of one source file
of ESC-10 (clips A, B, ... of one recording) are counted apart. Then copies of every fifth clip are
looked for as the library does it, by keys first. Last, 100,000 made-up fingerprints are put into
the index, and new ones looked up in it.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from appliance.audio.fingerprint import Fingerprint, compare, fingerprint, keys, probes
from appliance.audio.source import Samples
from appliance.library.near_index import NearIndex

Sound = tuple[Samples, int]


def encoded(sound: Sound, level: float, form: str, kind: str) -> Sound:
    memory = io.BytesIO()
    with soundfile.SoundFile(
        memory, "w", sound[1], 1, kind, format=form, compression_level=level
    ) as file:
        file.write(sound[0])
    memory.seek(0)
    samples, rate = soundfile.read(memory, dtype="float32")
    return samples, rate


def mp3(sound: Sound, level: float) -> Sound:
    return encoded(sound, level, "MP3", "MPEG_LAYER_III")


def trimmed(sound: Sound, begin: float, end: float) -> Sound:
    samples, rate = sound
    return samples[int(begin * len(samples)) + 137 : int(end * len(samples))], rate


def noisy(sound: Sound) -> Sound:
    noise = np.random.default_rng(0).standard_normal(len(sound[0])).astype(np.float32)
    return sound[0] + noise * (0.1 * sound[0].std()), sound[1]


def quieter(sound: Sound) -> Sound:
    """By 12 dB, in 16 bits again."""
    rounded: Samples = np.round(sound[0] * 8192).astype(np.float32) / np.float32(32768)
    return rounded, sound[1]


COPIES: dict[str, Callable[[Sound], Sound]] = {
    "12 dB quieter": quieter,
    "11.025 kHz": lambda sound: (soxr.resample(sound[0], sound[1], 11_025), 11_025),
    "MP3, good": lambda sound: mp3(sound, 0.3),
    "MP3, middling": lambda sound: mp3(sound, 0.6),
    "MP3, the smallest": lambda sound: mp3(sound, 0.9),
    "Vorbis, small": lambda sound: encoded(sound, 0.9, "OGG", "VORBIS"),
    "trimmed by 5 and 5 %": lambda sound: trimmed(sound, 0.05, 0.95),
    "the middle half": lambda sound: trimmed(sound, 0.25, 0.75),
    "trimmed, quieter, MP3": lambda sound: mp3(
        (trimmed(sound, 0.05, 0.96)[0] * 0.5, sound[1]), 0.6
    ),
    "noise 20 dB below": noisy,
}


def read(path: Path) -> Sound:
    samples, rate = soundfile.read(path, dtype="float32")
    return samples, rate


def pairs(name: str, files: list[Path], source: Callable[[Path], str]) -> dict[str, object]:
    found = [fingerprint(*read(path)) for path in files]
    apart = together = 0
    flagged: list[str] = []
    related: list[str] = []
    for one, other in itertools.combinations(range(len(files)), 2):
        same = source(files[one]) == source(files[other])
        together += same
        apart += not same
        likeness = compare(found[one].words, found[other].words)
        if likeness is not None:
            said = f"{files[one].name} {files[other].name} {likeness.similarity:.3f}"
            (related if same else flagged).append(said)
    return {
        "set": name,
        "pairs of different sources": apart,
        "flagged": flagged,
        "pairs of one source": together,
        "flagged of one source": related,
    }


def recall(name: str, files: list[Path]) -> dict[str, object]:
    index = NearIndex()
    originals: list[Fingerprint] = []
    for number, path in enumerate(files):
        originals.append(fingerprint(*read(path)))
        known = keys(originals[-1])
        index.add(np.full(len(known), number, np.uint32), known)
    figures = {}
    for kind, copy in COPIES.items():
        hit = 0
        for number, path in enumerate(files):
            samples, rate = copy(read(path))
            looked = fingerprint(np.asarray(samples, np.float32), rate)
            likely = number in index.find(probes(looked), 17)
            hit += likely and compare(originals[number].words, looked.words) is not None
        figures[kind] = round(hit / len(files), 3)
    return {"set": name, "clips": len(files), "found": figures}


def large(clips: int) -> dict[str, object]:
    chance = np.random.default_rng(0)
    index = NearIndex()
    began = time.perf_counter()
    for start in range(0, clips, 1000):
        count = min(1000, clips - start)
        made = chance.integers(1, 2**32, size=32 * count, dtype=np.uint32)
        index.add(np.repeat(np.arange(start, start + count, dtype=np.uint32), 32), made)
    filled = time.perf_counter() - began
    times = []
    for _ in range(200):
        looked = np.unique(chance.integers(1, 2**32, size=1200, dtype=np.uint32))
        began = time.perf_counter()
        index.find(looked, 17)
        times.append(time.perf_counter() - began)
    return {
        "clips": clips,
        "lookup, median ms": round(1e3 * float(np.median(times)), 3),
        "filling, s": round(filled, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("EARMARK_TEST_DATA", "../shared/data")),
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    esc = sorted(given.data.glob("esc10/*/*.ogg"))
    fsdd = sorted(given.data.glob("fsdd/recordings/*.wav"))
    digits = random.Random(0).sample(fsdd, 400)
    sound = read(esc[0])
    began = time.perf_counter()
    for _ in range(20):
        fingerprint(*sound)
    results = {
        "fingerprint of 5 s, ms": round((time.perf_counter() - began) * 50, 2),
        "lookup": [large(1000), large(100_000)],
        "recall": [recall("ESC-10", esc[::5]), recall("FSDD", digits[::5])],
        "pairs": [
            pairs("ESC-10", esc, lambda path: path.stem.rsplit("-", 1)[0]),
            pairs("FSDD", digits, lambda path: path.stem),
        ],
    }
    print(json.dumps(results, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
