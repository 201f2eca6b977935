"""Calling the command line in this process, and daemons to talk to."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from appliance.cli.app import earmark
from tests.box import Box
from tests.cli.fake import FakeDaemon
from tests.cli.shell import CLASSES, EACH, Done, Shell

Call = Callable[..., Done]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run `earmark` with these words; without a terminal, as CliRunner has none."""
    for name in ("EARMARK_URL", "EARMARK_TOKEN", "EARMARK_DATA", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object, text: str | None = None) -> Done:
        result = CliRunner().invoke(earmark, [str(word) for word in words], input=text)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def fake() -> Iterator[FakeDaemon]:
    daemon = FakeDaemon()
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    box = Box(tmp_path_factory.mktemp("cli") / "box")
    with box.start() as client:
        yield Shell(box, client)
    assert box.stop() == 0, box.log.read_text()[-4000:]


@pytest.fixture(scope="module")
def sounds(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of ESC-10 with six files each, and a file that is no sound."""
    folder = tmp_path_factory.mktemp("sounds")
    for source, label in CLASSES.items():
        (folder / label).mkdir()
        for file in sorted((test_data / "esc10" / source).glob("*.ogg"))[:EACH]:
            shutil.copy(file, folder / label)
    (folder / "dog" / "text.wav").write_text("this is no sound at all\n" * 50)
    (folder / "rain" / "empty.wav").touch()
    return folder


@pytest.fixture(scope="module")
def library(shell: Shell, sounds: Path) -> Shell:
    """The box with those sounds in it."""
    refused = shell("train", "--yes")
    assert refused.status == 1
    assert refused.err.startswith("earmark: not ready to train: 0 of 2 classes have clips")
    report = shell.json("import", sounds, "--session-pattern", r"^\d-(\d+)", status=1)
    assert report["imported"] == report["clips"] == 3 * EACH
    assert [one["name"] for one in report["failed"]] == ["dog/text.wav", "rain/empty.wav"]
    assert all(one["cause"] and one["advice"] for one in report["failed"])
    return shell
