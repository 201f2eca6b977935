"""A box for each test, and one that has learned something for the tests that only listen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box import Box


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path / "box")
    yield made
    if made.process is not None and made.process.poll() is None:
        status = made.stop()
        assert status == 0, made.log.read_text()[-4000:]


@pytest.fixture
def sounds(test_data: Path) -> dict[str, list[Path]]:
    """Two clearly different ESC-10 classes, eight files each."""
    found = {}
    for folder in sorted((test_data / "esc10").iterdir()):
        if folder.is_dir() and folder.name.endswith(("Dog bark", "Rain")):
            found[folder.name.split(" - ")[1].lower()] = sorted(folder.glob("*.ogg"))[:8]
    assert len(found) == 2, f"{test_data} lacks ESC-10's dogs or rain"
    return found
