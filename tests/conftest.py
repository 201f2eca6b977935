"""What many tests need: the real recordings, a data folder, a database."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.events import EventBus
from appliance.paths import DataFolder
from appliance.store.database import Database

REPOSITORY = Path(__file__).resolve().parent.parent
SLOW_S = 10.0


def pytest_configure() -> None:
    # Tests run beside each other: torch's threads would wait for one another's, and spin.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    # In the background of a shell Ctrl-C is ignored, and by all that is started there: tests that
    # send it would wait in vain.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, by what their `slow` markers say: the tests run in several
    processes, a file in each, and a long one must not be begun last."""
    seconds = dict.fromkeys((item.path for item in items), 0.0)
    for item in items:
        for marker in item.iter_markers("slow"):
            seconds[item.path] = max(seconds[item.path], *marker.args, SLOW_S)
    # Of the others, those with the most tests: what is left for the end is short.
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (-seconds[item.path], -tests[item.path], item.path))


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real recordings (ESC-10 and FSDD)."""
    folder = Path(os.environ.get("EARMARK_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "esc10").is_dir():
        pytest.skip(
            f"no recordings in {folder}: set EARMARK_TEST_DATA to a folder with esc10/ and fsdd/"
        )
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    made = DataFolder(tmp_path / "data")
    made.create()
    return made


@pytest.fixture
def bus() -> EventBus:
    return EventBus()


@pytest.fixture
def db(folder: DataFolder) -> Iterator[Database]:
    database = Database(folder.database)
    yield database
    database.close()
