"""What many tests need: the real recordings, a data folder, a database."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.events import EventBus
from appliance.paths import DataFolder
from appliance.store.database import Database

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: the tests run in several processes, a file in each, and
    the longest must not be begun last."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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
