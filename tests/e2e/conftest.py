"""A box for each test, a patient one, and something to teach it."""

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
def patient(box: Box) -> Box:
    """A box for whose listening and training this machine is never too busy."""
    box.program = [str(Path(__file__).with_name("patient.py")), "--data", str(box.data), "serve"]
    return box


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
