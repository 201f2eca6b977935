"""Restoring a library: every sound copied and compared with its hash, against `cp -r` + sha256.

    python benchmarks/restore.py [--clips 10000] [--seconds 1] [--rounds 1]

A library of short clips is made, backed up, and restored into a new folder; in the same round a
plain `cp -r` of the same sounds, `sync`, and `sha256sum` of all of them are timed. Then what was
restored is looked at: the database whole, every row's sound there with its hash.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from appliance.audio.flac import write_flac
from appliance.care.backup import make_backup
from appliance.care.restore import restore
from appliance.events import EventBus
from appliance.library.clips import Clips, NewPiece
from appliance.paths import DataFolder, file_hash
from appliance.store.database import Database

RATE = 16_000
BATCH = 500


def fill(folder: DataFolder, number: int, seconds: float) -> None:
    """Clips of noise, each its own, a quarter of them labelled."""
    random = np.random.default_rng(1)
    db = Database(folder.database)
    clips = Clips(db, folder, EventBus())
    session = clips.new_session(None, "import")
    try:
        for start in range(0, number, BATCH):
            pieces = []
            for index in range(start, min(start + BATCH, number)):
                samples = random.normal(scale=0.1, size=round(seconds * RATE)).astype(np.float32)
                piece = write_flac(samples, RATE, folder.incoming / f"{index}.flac")
                label = f"label {index % 40}" if index % 4 == 0 else None
                pieces.append(NewPiece(piece, source="import", session=session, label=label))
            clips.add_pieces(pieces)
    finally:
        db.close()


def nobody(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


def timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


def plain(sounds: Path, target: Path) -> None:
    """What a person would do by hand."""
    subprocess.run(["cp", "-r", sounds, target], check=True)
    subprocess.run(["sync", "-f", target], check=True)
    files = sorted(str(file) for file in target.rglob("*.flac"))
    for start in range(0, len(files), 1000):
        command = ["sha256sum", *files[start : start + 1000]]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def wrong(folder: DataFolder) -> list[str]:
    """What is not as it was promised; empty when all is well."""
    with closing(sqlite3.connect(folder.database)) as db:
        found = [str(row) for row in db.execute("PRAGMA integrity_check") if row != ("ok",)]
        found += [str(row) for row in db.execute("PRAGMA foreign_key_check")]
        rows = [row[0] for row in db.execute("SELECT sha256 FROM clips")]
    return found + [one for one in rows if file_hash(folder.clip(one)) != one]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a clip")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="on which disk; default: the temporary one")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        root = Path(place)
        box = DataFolder(root / "box")
        box.create()
        fill(box, options.clips, options.seconds)
        size = sum(file.stat().st_size for file in box.clips.glob("??/*.flac"))
        target = root / "disk"
        first = timed(lambda: make_backup(box, target, 3, nobody))
        again = timed(lambda: make_backup(box, target, 3, nobody))
        sounds = next(target.glob("earmark-*")) / "clips"
        ours, theirs, bad = [], [], []
        for number in range(options.rounds):
            new, copy = DataFolder(root / f"new-{number}"), root / f"copy-{number}"
            ours.append(timed(partial(restore, target, new, force=False, tell=nobody)))
            theirs.append(timed(partial(plain, sounds, copy)))
            bad += wrong(new)
            shutil.rmtree(new.root)
            shutil.rmtree(copy)
    figures = {
        "clips": options.clips,
        "mb": round(size / 1e6),
        "backup_s": round(first, 2),
        "backup_again_s": round(again, 2),
        "restore_s": [round(seconds, 2) for seconds in ours],
        "cp_and_sha256_s": [round(seconds, 2) for seconds in theirs],
        "ratio": round(sum(ours) / sum(theirs), 2),
        "wrong": len(bad),
    }
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:>16}  {value}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
