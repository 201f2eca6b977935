"""T1: cut the power under the library, again and again, and count what was acknowledged and lost.

    sudo .venv/bin/python benchmarks/power_cut.py [--cuts 20] [--control 3] [--json]

Each cut: a fresh ext4 in a loop device; a process stores, labels and deletes clips on it through
the product's own code and reports each acknowledgement over a pipe; after 20 to 250 ms the file
system is shut down without flushing its journal (EXT4_IOC_SHUTDOWN, as when the power goes), the
process is killed, the file system is mounted again, and what is found is compared with what was
acknowledged. Two controls do the same without fsync of files and folders, and with a database
that does not wait for the disk (synchronous=NORMAL); each must fail, or the benchmark is blind.

Needs root and loop mounts; exits 77 with the reason where they are not to be had.
"""

from __future__ import annotations

import argparse
import fcntl
import itertools
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlite_utils import Database as SqliteUtils

from appliance.audio.flac import write_flac
from appliance.errors import EarmarkError
from appliance.events import EventBus
from appliance.library.audit import audit
from appliance.library.clips import ClipFilter, Clips, NewPiece
from appliance.library.datasets import Datasets
from appliance.paths import DataFolder
from appliance.store.database import Database

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
IMAGE_BYTES = 48 << 20
CUT_AFTER_S = (0.02, 0.25)
CANNOT = 77
EXAMPLES = 5
RATE = 8000


PRODUCT, NO_FSYNC, NORMAL = "product", "control: no fsync", "control: synchronous=NORMAL"


class Careless(Database):
    """A control: a database that does not wait for the disk."""

    @staticmethod
    def _open(path: Path, *, query_only: bool = False) -> SqliteUtils:
        opened = Database._open(path, query_only=query_only)
        opened.conn.execute("PRAGMA synchronous=NORMAL")
        return opened


@dataclass
class Tally:
    """`acknowledged` operations; `lost`: acknowledged ones that are not there; `violations`: of
    the promises that need no acknowledgement (a row without its file, a damaged database)."""

    cuts: int = 0
    acknowledged: int = 0
    lost: int = 0
    violations: int = 0
    seconds: float = 0.0
    examples: list[str] = field(default_factory=list)


def work(root: Path, out: int, seed: int, kind: str) -> None:
    """In the child: use the library until the disk goes away; one JSON line an acknowledgement."""

    def say(**what: Any) -> None:
        os.write(out, json.dumps({**what, "at": time.monotonic()}).encode() + b"\n")

    if kind == NO_FSYNC:
        os.fsync = lambda fd: None
    folder = DataFolder(root)
    folder.create()
    db = (Careless if kind == NORMAL else Database)(folder.database)
    clips = Clips(db, folder, EventBus())
    datasets = Datasets(db, folder)
    noise = np.random.default_rng(seed)
    chance = random.Random(seed)
    say(ready=True)
    stored: list[int] = []
    labels = itertools.cycle(["dog", "cat"])

    def relabel(ids: list[int], label: str) -> None:
        # Said before and after: until it is acknowledged, either outcome is right.
        for one in ids:
            say(uncertain=one)
        clips.set_label(ids, label, "bench", create=True)
        for one in ids:
            say(id=one, label=label)

    while True:
        session = clips.session_for(f"s{chance.randrange(20)}", "recording")
        sounds = noise.normal(scale=0.1, size=(chance.choice([1, 1, 1, 5]), 800))
        pieces = [
            write_flac(row.astype(np.float32), RATE, folder.incoming / f"{n}.flac")
            for n, row in enumerate(sounds)
        ]
        batch = [
            NewPiece(piece, source="recording", session=session, label=next(labels))
            for piece in pieces
        ]
        for added in clips.add_pieces(batch):
            say(id=added.clip.id, label=added.clip.label)
            stored.append(added.clip.id)
        if len(stored) % 5 == 0:
            relabel(stored[-1:], "owl")
        if len(stored) % 7 == 0:
            gone = stored.pop(chance.randrange(len(stored)))
            say(deleting=gone)
            clips.delete(gone, "bench")
            say(deleted=gone)
        if len(stored) >= 25:
            relabel(clips.ids(ClipFilter(label="owl")), "cat")
            say(dataset=datasets.publish(None, "bench").name)
            stored.clear()


def until(moment: float, line: dict[str, Any]) -> dict[str, Any] | None:
    """What a line is worth: an acknowledgement after the cut began is none.

    The shutdown takes the kernel some milliseconds, in which an fsync may succeed that is not
    durable (seen on Linux 6.18, 1 to 8 ms after the call). Who has lost his power says nothing.
    """
    if line["at"] <= moment:
        return line
    if "id" in line:
        return {"uncertain": line["id"]}
    return line if line.keys() & {"uncertain", "deleting"} else None


def compare(root: Path, lines: list[dict[str, Any]], tally: Tally) -> None:
    """What the mounted disk holds against what was said."""
    labels: dict[int, str | None] = {}
    gone: set[int] = set()
    loose: set[int] = set()
    names = []
    for line in lines:
        if "id" in line:
            labels[line["id"]] = line["label"]
        elif line.get("uncertain") in labels:
            labels[line["uncertain"]] = None
        elif "deleting" in line:
            loose.add(line["deleting"])
        elif "deleted" in line:
            gone.add(line["deleted"])
        elif "dataset" in line:
            names.append(line["dataset"])
    tally.acknowledged += sum(1 for line in lines if line.keys() & {"id", "deleted", "dataset"})
    folder = DataFolder(root)
    try:
        db = Database(folder.database)
    except EarmarkError as error:
        tally.lost += len(labels)
        tally.violations += 1
        tally.examples.append(str(error))
        return
    try:
        found = {
            row["id"]: row["name"]
            for row in db.rows(
                "SELECT c.id, l.name FROM clips c LEFT JOIN labels l ON l.id = c.label_id"
            )
        }
        lost = [
            f"clip {one} ({label}) is {found.get(one)}"
            for one, label in labels.items()
            if one not in gone | loose and (found.get(one) != label if label else one not in found)
        ]
        lost += [f"clip {one} was deleted and is back" for one in gone if one in found]
        kept = {version.name for version in Datasets(db, folder).all()}
        lost += [f"dataset version {name} is gone" for name in names if name not in kept]
        broken = audit(db, folder)
    finally:
        db.close()
    tally.lost += len(lost)
    tally.violations += len(broken)
    tally.examples += [*lost, *broken][: EXAMPLES - len(tally.examples)]


def cut(place: Path, seed: int, tally: Tally, kind: str) -> None:
    """One power cut, from a fresh file system to the comparison."""
    image, mount = place / "disk.img", place / "mount"
    mount.mkdir(exist_ok=True)
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    run("mkfs.ext4", "-qF", str(image))
    run("mount", "-o", "loop", str(image), str(mount))
    try:
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            # The disk has gone: that is the end which is waited for.
            try:
                work(mount / "data", write_end, seed, kind)
            finally:
                os._exit(0)
        os.close(write_end)
        with open(read_end, "rb") as said:  # noqa: PTH123 (a descriptor, not a path)
            # The clock starts with the first acknowledgement, however slow the machine is.
            lines = [json.loads(said.readline()), json.loads(said.readline())]
            time.sleep(random.Random(seed).uniform(*CUT_AFTER_S))
            descriptor = os.open(mount, os.O_RDONLY)
            moment = time.monotonic()
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
            os.close(descriptor)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            lines += [json.loads(line) for line in said.read().splitlines() if line.endswith(b"}")]
        lines = [heard for line in lines if (heard := until(moment, line))]
    finally:
        run("umount", str(mount))
    run("mount", "-o", "loop", str(image), str(mount))
    try:
        compare(mount / "data", lines, tally)
    finally:
        run("umount", str(mount))
    tally.cuts += 1


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def why_not() -> str | None:
    """Why this machine cannot do it."""
    if os.geteuid() != 0:
        return "power cuts need root, for loop mounts"
    if shutil.which("mkfs.ext4") is None:
        return "there is no mkfs.ext4"
    return None


def cuts(count: int, kind: str) -> Tally:
    tally = Tally()
    shared = Path("/dev/shm")
    started = time.monotonic()
    # The image lies in memory where it can: it is the file system above it that is cut.
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as place:
        for seed in range(count):
            cut(Path(place), seed, tally, kind)
    tally.seconds = round(time.monotonic() - started, 1)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--control", type=int, default=3, help="cuts of each control")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    if reason := why_not():
        print(reason, file=sys.stderr)
        return CANNOT
    try:
        tallies = {kind: cuts(given.control, kind) for kind in (NO_FSYNC, NORMAL)}
    except subprocess.CalledProcessError as error:
        print(f"loop mounts are not possible here: {error.stderr.decode()}", file=sys.stderr)
        return CANNOT
    blind = [kind for kind, tally in tallies.items() if not tally.lost + tally.violations]
    product = tallies[PRODUCT] = cuts(given.cuts, PRODUCT)
    if given.json:
        told = {kind: asdict(tally) for kind, tally in tallies.items()}
        print(json.dumps({"tallies": told, "blind": blind}))
    else:
        print(f"{'':28}{'cuts':>6}{'acknowledged':>14}{'lost':>8}{'violations':>12}{'s':>8}")
        for kind, tally in tallies.items():
            print(
                f"{kind:28}{tally.cuts:>6}{tally.acknowledged:>14}{tally.lost:>8}"
                f"{tally.violations:>12}{tally.seconds:>8}"
            )
        for example in product.examples:
            print(f"  {example}")
        for kind in blind:
            print(f"{kind} lost nothing: this run proves nothing")
    return int(bool(product.lost or product.violations or blind))


if __name__ == "__main__":
    sys.exit(main())
