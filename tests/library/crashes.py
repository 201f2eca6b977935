"""Run by test_crashes.py: kill -9 at each line of an operation, and look at what is left.

    python -m tests.library.crashes FOLDER OPERATION STEP

A child is forked for each trial, on a fresh copy of a small library; it kills itself at the n-th
line that it executes in `library/` and `store/`, for n = 1, 1 + STEP, ... until the operation
ends by itself. The parent then opens what is left, as a daemon that starts again would. Prints
JSON: [{"line", "violations", "state"}], the last entry being the operation that ended.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from appliance.audio.flac import write_flac
from appliance.events import EventBus
from appliance.library.audit import audit
from appliance.library.clips import Clips, NewPiece
from appliance.library.datasets import Datasets
from appliance.library.labels import Labels
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.library.conftest import RATE, sound

WATCHED = ("/appliance/library/", "/appliance/store/", "/appliance/paths.py")
# They touch neither the disk nor the database: to die in them is to die where they are called.
PURE = ("names.py", "clip.py", "split.py", "grouping.py", "readiness.py")


class Library:
    def __init__(self, root: Path) -> None:
        self.folder = DataFolder(root)
        self.folder.create()
        self.db = Database(self.folder.database)
        bus = EventBus()
        self.clips = Clips(self.db, self.folder, bus)
        self.labels = Labels(self.db, bus)
        self.datasets = Datasets(self.db, self.folder)


def fill(root: Path) -> None:
    """Twelve labelled clips and one without a label."""
    library = Library(root)
    for number in range(13):
        library.clips.add_samples(
            sound(number),
            RATE,
            source="recording",
            session=library.clips.session_for(f"s{number}", "recording"),
            label=None if number == 12 else ("dog", "cat")[number % 2],
            author="before",
        )
    library.db.close()


def add(library: Library) -> None:
    session = library.clips.new_session("new", "import")
    pieces = [
        write_flac(sound(100 + n), RATE, library.folder.incoming / f"{n}.flac") for n in range(2)
    ]
    library.clips.add_pieces(
        [NewPiece(piece, source="import", session=session, label="owl") for piece in pieces]
    )


def delete(library: Library) -> None:
    library.clips.delete(13, "ann")


def cut(library: Library) -> None:
    library.clips.cut(1, 0.02, 0.05, "owl", "ann")


def publish(library: Library) -> None:
    library.datasets.publish("first", "ann")


def relabel(library: Library) -> None:
    library.clips.set_label([1, 3, 13], "cat", "ann")


def merge(library: Library) -> None:
    library.labels.merge("dog", "cat", "ann")


OPERATIONS: dict[str, Callable[[Library], None]] = {
    operation.__name__: operation for operation in (add, delete, cut, publish, relabel, merge)
}


def state(library: Library) -> list[Any]:
    """Everything that the operations change, as rows."""
    db = library.db
    return [
        db.rows("SELECT id, sha256, label_id FROM clips ORDER BY id"),
        db.rows("SELECT name, clips, sessions FROM labels ORDER BY name"),
        db.rows("SELECT clip_id, before, after, why FROM label_history ORDER BY id"),
        db.rows("SELECT name FROM dataset_versions"),
    ]


def die_at(line: int) -> None:
    """SIGKILL this process at the `line`-th line that it executes in the watched packages."""
    passed = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal passed
        file = frame.f_code.co_filename
        if file.endswith(PURE) or not any(part in file for part in WATCHED):
            return None
        if event == "line":
            passed += 1
            if passed == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)


def trial(root: Path, operation: Callable[[Library], None], line: int) -> bool:
    """In a child: whether the operation came to its end."""
    child = os.fork()
    if child == 0:
        library = Library(root)
        die_at(line)
        operation(library)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return False
    assert status == 0, f"the operation failed: {status}"
    return True


def main() -> None:
    place, name, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    template, root = place / "template", place / "trial"
    fill(template)
    results = []
    ended, line = False, 1
    while not ended:
        shutil.copytree(template, root)
        ended = trial(root, OPERATIONS[name], line)
        library = Library(root)
        results.append(
            {
                "line": line,
                "violations": audit(library.db, library.folder),
                "state": state(library),
                # What a start of the daemon does, and that it goes on working afterwards.
                "swept": library.clips.sweep(),
                "left": len(list(library.folder.incoming.iterdir())),
            }
        )
        library.db.close()
        shutil.rmtree(root)
        line += step
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
