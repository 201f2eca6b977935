"""T4: damage the database in many ways, start the daemon, and count what came back and how fast.

    python benchmarks/corruption.py [--trials 100] [--control 3] [--clips 200] [--json]

Each trial: a library of short clips, three quarters of them in the newest backup (or, in every
other trial, in a nightly copy of the database alone), is damaged as a dying card or a power cut
may do it; a real daemon is started on it, and ends when it has rebuilt what it can. A trial is
recovered when the database is whole (integrity and foreign keys), every clip of the backup has its
label, and every sound that lay on the disk has a row. Sounds that are neither among the clips nor
in quarantine were deleted. The control starts a daemon that does not look at its database first;
it must fail, or the benchmark is blind.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from appliance.audio.flac import write_flac
from appliance.care.backup import copy_database, make_backup
from appliance.client import Client, ClientError
from appliance.events import EventBus
from appliance.library.clips import Clips, NewPiece
from appliance.paths import DataFolder
from appliance.store.database import Database

GOAL_S = 30.0
GIVEN_UP_S = 120.0
RATE = 16_000
PAGE = 4096
DAEMON = ("-m", "appliance.cli")
HEEDLESS = (
    "-c",
    "import appliance.daemon as d; d.make_whole = lambda *_: None;"
    "from appliance.cli import main; main()",
)


def pages(database: Path, chance: random.Random, fill: Callable[[int], bytes]) -> None:
    """Every page but the first at a chance of a tenth, one at least."""
    count = database.stat().st_size // PAGE
    hit = [page for page in range(1, count) if chance.random() < 0.1] or [count // 2]
    with database.open("r+b") as file:
        for page in hit:
            file.seek(page * PAGE)
            file.write(fill(PAGE))


def noise(database: Path, chance: random.Random) -> None:
    pages(database, chance, chance.randbytes)


def zeros(database: Path, chance: random.Random) -> None:
    pages(database, chance, bytes)


def cut_off(database: Path, chance: random.Random) -> None:
    with database.open("r+b") as file:
        file.truncate(round(database.stat().st_size * chance.uniform(0.02, 0.98)))


def header(database: Path, chance: random.Random) -> None:
    with database.open("r+b") as file:
        file.write(chance.randbytes(chance.choice([16, 100, PAGE])))


def gone(database: Path, chance: random.Random) -> None:
    database.unlink()
    if chance.random() < 0.5:
        database.touch()


def all_noise(database: Path, chance: random.Random) -> None:
    """And a log that belongs to nothing."""
    size = database.stat().st_size
    database.write_bytes(chance.randbytes(size))
    database.with_name("earmark.db-wal").write_bytes(chance.randbytes(5000))


def bytes_here_and_there(database: Path, chance: random.Random) -> None:
    """64 of them, after an end that was none, as the log says."""
    size = database.stat().st_size
    with database.open("r+b") as file:
        for _ in range(64):
            file.seek(chance.randrange(100, size))
            file.write(chance.randbytes(1))
    database.with_name("earmark.db-wal").write_bytes(chance.randbytes(5000))


DAMAGES = (noise, zeros, cut_off, header, gone, all_noise, bytes_here_and_there)


@dataclass
class Tally:
    """`dead`: daemons that did not start, or did not end what they rebuilt; `deleted`: sounds
    that are nowhere; `newer_labels`: of the clips newer than the backup, those
    whose label was read from the damaged file, of `newer`."""

    trials: int = 0
    recovered: int = 0
    dead: int = 0
    deleted: int = 0
    slowest_start_s: float = 0.0
    newer: int = 0
    newer_labels: int = 0
    by_damage: dict[str, str] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


class Masters:
    """The library before it is damaged: with a backup, and with a copy of the database alone."""

    def __init__(self, place: Path, number: int) -> None:
        self.folders = []
        for name in ("backup", "copy"):
            folder = DataFolder(place / name)
            folder.create()
            db = Database(folder.database)
            clips = Clips(db, folder, EventBus())
            self.kept = _store(clips, folder, range(number * 3 // 4))
            if name == "backup":
                make_backup(folder, folder.backups, 1, lambda *_: None)
            else:
                copy_database(folder, 1)
            self.newer = _store(clips, folder, range(number * 3 // 4, number))
            db.close()
            self.folders.append(folder.root)


def _store(clips: Clips, folder: DataFolder, numbers: range) -> dict[str, str]:
    """Label by SHA-256."""
    session = clips.new_session(None, "import")
    pieces = []
    for number in numbers:
        samples = np.random.default_rng(number).normal(scale=0.1, size=RATE // 4)
        piece = write_flac(samples.astype(np.float32), RATE, folder.incoming / f"{number}.flac")
        label = f"label {number % 20}"
        pieces.append(NewPiece(piece, source="import", session=session, label=label))
    clips.add_pieces(pieces)
    return {piece.piece.sha256: str(piece.label) for piece in pieces}


def trial(
    place: Path, number: int, masters: Masters, program: tuple[str, ...]
) -> tuple[float | None, list[str]]:
    """One of them, in `place`: seconds of the start, and what is wrong afterwards."""
    folder = DataFolder(place / "box")
    shutil.copytree(masters.folders[number // len(DAMAGES) % 2], folder.root)
    DAMAGES[number % len(DAMAGES)](folder.database, random.Random(number))
    log = place / "log"
    command = [sys.executable, *program, "--data", str(folder.root), "serve"]
    environment = {**os.environ, "EARMARK_HTTP_PORT": "0"}
    began = time.monotonic()
    with log.open("wb") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    try:
        _wait(process, folder, lambda: _answers(folder))
        started = time.monotonic() - began
        _wait(process, folder, lambda: not folder.rebuild.exists())
    except TimeoutError as error:
        return None, [f"{error}: {log.read_text()[-300:]}"]
    finally:
        process.terminate()
        process.wait(60)
    return started, wrong(folder, masters)


def _answers(folder: DataFolder) -> bool:
    try:
        with Client.find(data=folder.root) as client:
            client.get("/status")
    except ClientError:
        return False
    return True


def _wait(process: subprocess.Popen[bytes], folder: DataFolder, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GIVEN_UP_S
    while not done():
        if process.poll() is not None:
            raise TimeoutError(f"the daemon ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing within {GIVEN_UP_S:.0f} s on {folder.root}")
        time.sleep(0.05)


def labels(folder: DataFolder) -> dict[str, str | None]:
    with closing(sqlite3.connect(folder.database)) as db:
        return dict(
            db.execute(
                "SELECT c.sha256, l.name FROM clips c LEFT JOIN labels l ON l.id = c.label_id"
            ).fetchall()
        )


def wrong(folder: DataFolder, masters: Masters) -> list[str]:
    """What is not as it was promised; empty when all is well."""
    with closing(sqlite3.connect(folder.database)) as db:
        verdict = db.execute("PRAGMA integrity_check").fetchone()[0]
        broken = db.execute("PRAGMA foreign_key_check").fetchall()
    if verdict != "ok" or broken:
        return [f"the database is not whole: {verdict} {broken[:1]}"]
    found = labels(folder)
    changed = [sha256 for sha256, label in masters.kept.items() if found.get(sha256) != label]
    without = [sha256 for sha256 in masters.newer if sha256 not in found]
    says = []
    if changed:
        says.append(f"{len(changed)} clips of the backup lost their label")
    if without:
        says.append(f"{len(without)} sounds have no row")
    return says


def deleted(folder: DataFolder, masters: Masters) -> int:
    there = {file.stem for file in folder.clips.glob("??/*.flac")}
    there |= {file.stem for file in folder.quarantine.glob("*/*.flac")}
    return len((masters.kept.keys() | masters.newer.keys()) - there)


def run(count: int, masters: Masters, place: Path, program: tuple[str, ...]) -> Tally:
    tally = Tally()
    of: dict[str, list[bool]] = {}
    for number in range(count):
        here = place / str(number)
        here.mkdir()
        started, says = trial(here, number, masters, program)
        tally.trials += 1
        tally.recovered += not says
        tally.dead += started is None
        tally.slowest_start_s = max(tally.slowest_start_s, round(started or 0.0, 2))
        folder = DataFolder(here / "box")
        tally.deleted += deleted(folder, masters)
        damage = DAMAGES[number % len(DAMAGES)].__name__
        of.setdefault(damage, []).append(not says)
        tally.examples += [f"{number} {damage}: {line}" for line in says]
        if not says:
            found = labels(folder)
            tally.newer += len(masters.newer)
            tally.newer_labels += sum(found[sha] == label for sha, label in masters.newer.items())
        shutil.rmtree(here)
    tally.by_damage = {name: f"{sum(ok)} of {len(ok)}" for name, ok in of.items()}
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--control", type=int, default=3, help="trials of the control")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        masters = Masters(Path(place), given.clips)
        control = run(given.control, masters, Path(place), HEEDLESS)
        tally = run(given.trials, masters, Path(place), DAEMON)
    blind = bool(given.control) and control.recovered == control.trials
    if given.json:
        print(json.dumps({"product": asdict(tally), "control": asdict(control), "blind": blind}))
    else:
        for name, one in (("control", control), ("product", tally)):
            print(
                f"{name}: {one.trials} trials, {one.recovered} recovered, {one.dead} dead, slowest"
                f" start {one.slowest_start_s:.1f} s, {one.deleted} clips deleted; newer labels:"
                f" {one.newer_labels} of {one.newer}"
            )
        for damage, share in tally.by_damage.items():
            print(f"  {damage:24}{share}")
        for example in tally.examples[:20]:
            print(f"  {example}")
        if blind:
            print("the control recovered from everything: this run proves nothing")
    good = tally.recovered == tally.trials and not tally.deleted
    return int(blind or not good or tally.slowest_start_s > GOAL_S)


if __name__ == "__main__":
    sys.exit(main())
