"""Does a large library answer like a small one? 100,000 clips against 1,000, in one run.

    .venv/bin/python benchmarks/library.py [--large 100000] [--small 1000] [--json]

For each filter, alone and combined, the time of its first page of 50 clips through the product's
own code; and that of readiness, the list of labels, a page from the middle, and storing the row
of one more clip. The goal: within 5 times. Rows only; the files are not needed to find them.

A `+` behind a number of clips: there is more to look at, behind the page's cursor. `dog` was only
ever heard by microphone usb-1 and `cat` by usb-2, in turns: to ask for the cats of usb-1 is the
hard case, two large sets that have nothing in common.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from appliance.events import EventBus
from appliance.library.clips import ClipFilter, Clips
from appliance.library.datasets import Datasets
from appliance.library.labels import Labels
from appliance.library.readiness import readiness
from appliance.paths import DataFolder
from appliance.store.database import Database

GOAL = 5.0
REPEATS = 15
PAGE = 50
MONTH_S = 30 * 86_400
BEGIN = 1_700_000_000.0
RARE = 12


def filters(size: int) -> dict[str, dict[str, Any]]:
    """What is asked. Times are chosen so that as many clips fit in a large library as in a small
    one; there are RARE owls and cut clips in both, the oldest of all."""
    clip_s = MONTH_S / size
    late, early = BEGIN + MONTH_S - 200 * clip_s, BEGIN + 200 * clip_s
    middle = BEGIN + MONTH_S / 2
    return {
        "everything": {},
        "label": {"label": "dog"},
        "rare label": {"label": "owl"},
        "unlabelled": {"unlabelled": True},
        "microphone": {"microphone": "usb-2"},
        "session": {"session": "s7"},
        "since": {"since": late},
        "until": {"until": early},
        "stretch of time": {"since": middle, "until": middle + 200 * clip_s},
        "label, microphone": {"label": "dog", "microphone": "usb-1"},
        "label, other microphone": {"label": "cat", "microphone": "usb-1"},
        "unlabelled, microphone": {"unlabelled": True, "microphone": "usb-4"},
        "label, since": {"label": "dog", "since": late},
        "label, stretch": {"label": "dog", "since": middle, "until": middle + 200 * clip_s},
        "microphone, until": {"microphone": "usb-2", "until": early},
        "label, microphone, since": {"label": "dog", "microphone": "usb-1", "since": late},
        "label, other mic., since": {"label": "cat", "microphone": "usb-1", "since": BEGIN},
        "session, label": {"session": "s7", "label": "cat"},
        "source": {"source": "trigger"},
        "rare source": {"source": "cut"},
        "label, source": {"label": "dog", "source": "import"},
        "label, rare source": {"label": "dog", "source": "cut"},
        "dataset version": {"dataset_version": "first"},
        "dataset version, label": {"dataset_version": "first", "label": "dog"},
        "dataset version, since": {"dataset_version": "first", "since": late},
        "text": {"text": "7.WAV"},
        "text of one clip": {"text": "take-77."},
        "label, text": {"label": "dog", "text": "take-1"},
        "all at once": {
            "label": "cat",
            "microphone": "usb-1",
            "source": "import",
            "since": BEGIN,
            "until": BEGIN + MONTH_S,
            "dataset_version": "first",
            "text": "take",
        },
    }


class Library:
    def __init__(self, root: Path, size: int) -> None:
        folder = DataFolder(root)
        folder.create()
        self.size = size
        self.db = Database(folder.database)
        bus = EventBus()
        self.clips = Clips(self.db, folder, bus)
        self.labels = Labels(self.db, bus)
        labels = {name: number for number, name in enumerate(("dog", "cat", "bell", "owl"), 1)}
        with self.db.write() as tx:
            tx.conn.executemany(
                "INSERT INTO labels (id, name, created_at) VALUES (?, ?, 0)",
                [(number, name) for name, number in labels.items()],
            )
            tx.conn.executemany(
                "INSERT INTO sessions (id, key, kind, created_at) VALUES (?, ?, 'import', 0)",
                [(number + 1, f"s{number}") for number in range(size // 20)],
            )
            self._insert = (
                "INSERT INTO clips (sha256, pcm_sha256, label_id, session_id, microphone, source,"
                " filename, duration_s, sample_rate, size, peak_dbfs, rms_dbfs, recorded_at,"
                " boot_id, monotonic_ns, clock_synced, created_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, 5, 16000, 100000, -3, -20, ?, 'boot', 0, 1, 0)"
            )
            tx.conn.executemany(self._insert, rows(size, labels))
        Datasets(self.db, folder).publish("first", "bench")
        self.extra = iter(rows(10 * REPEATS, labels, first=size))

    def add_row(self) -> None:
        with self.db.write() as tx:
            tx.conn.execute(self._insert, next(self.extra))


def rows(count: int, labels: dict[str, int], first: int = 0) -> Iterator[tuple[Any, ...]]:
    chance = random.Random(first)
    for number in range(first, first + count):
        kind = number % 4
        label = "owl" if kind == 2 and number < 4 * RARE else ("dog", "cat", "bell", None)[kind]
        yield (
            f"{number:064x}",
            f"{number:064x}",
            labels.get(label or ""),
            1 + number % max(count // 20, 1),
            f"usb-{kind + 1}",
            "cut" if kind == 0 and number < 4 * RARE else chance.choice(["import", "trigger"]),
            f"take-{number}.wav",
            BEGIN + MONTH_S * (number - first) / count,
        )


def milliseconds(what: Callable[[], object]) -> float:
    """The median of some calls, after one that warms the cache."""
    what()
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        what()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def questions(library: Library) -> dict[str, Callable[[], object]]:
    def first_page(given: dict[str, Any]) -> Callable[[], object]:
        wanted = ClipFilter.of(given)
        return lambda: library.clips.page(wanted, None, PAGE)

    asked = {name: first_page(given) for name, given in filters(library.size).items()}
    middle = str(library.size // 2)
    asked["page from the middle"] = lambda: library.clips.page(ClipFilter(), middle, PAGE)
    asked["readiness"] = lambda: readiness(library.db)
    asked["labels"] = library.labels.all
    asked["storing a row"] = library.add_row
    return asked


def found(library: Library, name: str) -> str:
    if (given := filters(library.size).get(name)) is None:
        return ""
    page = library.clips.page(ClipFilter.of(given), None, PAGE)
    return f"{len(page.items)}{' +' if page.next_cursor else ''}"


def main() -> int:
    parser = argparse.ArgumentParser(description="100,000 clips against 1,000")
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--small", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    # In memory where it can: how long the disk takes is not the question.
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as place:
        small = Library(Path(place) / "small", given.small)
        large = Library(Path(place) / "large", given.large)
        table = []
        for name, ask in questions(small).items():
            times = milliseconds(ask), milliseconds(questions(large)[name])
            table.append(
                {
                    "question": name,
                    "small_ms": round(times[0], 3),
                    "large_ms": round(times[1], 3),
                    "ratio": round(times[1] / times[0], 2),
                    "found": [found(small, name), found(large, name)],
                }
            )
        small.db.close()
        large.db.close()
    worst = max(table, key=lambda line: line["ratio"])
    if given.json:
        print(json.dumps({"rows": table, "worst": worst, "goal": GOAL}))
    else:
        print(f"{'first page of':28}{given.small:>10}{given.large:>10}{'ratio':>8}   clips found")
        for line in table:
            print(
                f"{line['question']:28}{line['small_ms']:>7.2f} ms{line['large_ms']:>7.2f} ms"
                f"{line['ratio']:>8.2f}   {' / '.join(filter(None, line['found']))}"
            )
        print(f"worst: {worst['question']}, {worst['ratio']} times (goal: {GOAL:g})")
    return int(worst["ratio"] > GOAL)


if __name__ == "__main__":
    sys.exit(main())
