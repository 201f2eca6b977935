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
def digits(test_data: Path) -> dict[str, list[Path]]:
    """Two spoken digits, six short files each: a training of seconds."""
    recordings = test_data / "fsdd" / "recordings"
    found = {
        name: sorted(recordings.glob(f"{digit}_*.wav"))[::40][:6]
        for digit, name in ((0, "zero"), (6, "six"))
    }
    assert all(len(files) == 6 for files in found.values()), f"{recordings} lacks digits"
    return found
