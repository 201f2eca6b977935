"""A real daemon with real clips and a version, and the UI in front of it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest
from textual.pilot import Pilot

from appliance.events import EventBus
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.box import Box
from tests.models import toy
from tests.tui.sounds import write_sounds
from tui.app import EarmarkApp

T = TypeVar("T")

SMALL, LARGE = (80, 24), (140, 45)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of whoever runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture(scope="session")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """Six short files each of three classes that the toy version tells apart."""
    return write_sounds(tmp_path_factory.mktemp("sounds"))


def publish_toy(data: Path, times: int = 1) -> None:
    """Put versions into the folder of a daemon that does not run."""
    publish(data, [toy.write_result] * times)


def publish(data: Path, write: Sequence[Callable[[Path], Path]]) -> None:
    """The same with the results that `write` leaves in a folder, V001 first."""
    folder = DataFolder(data)
    folder.create()
    database = Database(folder.database)
    try:
        versions = Versions(database, folder, EventBus())
        for number, one in enumerate(write):
            result = one(folder.jobs / f"toy-{number}" / "result")
            versions.publish(
                result,
                job=None,
                dataset_version=None,
                parent=None,
                stopped="converged",
                seconds=12.5,
            )
            shutil.rmtree(folder.jobs / f"toy-{number}")
    finally:
        database.close()


def import_sounds(box: Box, sounds: dict[str, list[Path]]) -> None:
    assert box.client is not None
    for label, files in sounds.items():
        box.client.upload("/clips", files, {"label": label})


@contextlib.contextmanager
def started(data: Path, **environment: str) -> Iterator[Box]:
    """A daemon on `data`, ended whatever happens."""
    box = Box(data, **environment)
    try:
        box.start()
        yield box
    finally:
        if box.process is not None and box.process.poll() is None:
            assert box.stop() == 0, box.log.read_text()[-4000:]


@pytest.fixture
def empty_box(tmp_path: Path) -> Iterator[Box]:
    """A daemon that knows nothing yet."""
    with started(tmp_path / "box") as box:
        yield box


@pytest.fixture(scope="session")
def shared_box(
    tmp_path_factory: pytest.TempPathFactory, sounds: dict[str, list[Path]]
) -> Iterator[Box]:
    """A daemon with clips of three classes and V001, V002, for tests that change little."""
    data = tmp_path_factory.mktemp("tui") / "box"
    publish_toy(data, 2)
    with started(data) as box:
        import_sounds(box, sounds)
        yield box


@contextlib.asynccontextmanager
async def running(
    box: Box, size: tuple[int, int] = SMALL, **options: Any
) -> AsyncIterator[tuple[EarmarkApp, Pilot[None]]]:
    """The UI in front of `box`: connected, and its first page filled."""
    app = EarmarkApp(data=box.data, **options)
    async with app.run_test(size=size, notifications=True) as pilot:
        yield app, pilot


class SlowLine:
    """Answers to `get` and `post` of some paths are held back until `come`: what the daemon said
    has been said, and is still on its way."""

    def __init__(self, app: EarmarkApp, patch: pytest.MonkeyPatch, *paths: str) -> None:
        self.held: list[str] = []
        self.came: list[str] = []
        self._line = asyncio.Event()
        for verb in ("get", "post"):
            patch.setattr(app.box, verb, self._slow(getattr(app.box, verb), paths))

    def _slow(self, ask: Callable[..., Any], paths: Sequence[str]) -> Callable[..., Any]:
        async def slow(path: str, *body: Any, **query: Any) -> Any:
            answer = await ask(path, *body, **query)
            if path in paths and not self._line.is_set():
                self.held.append(path)
                await self._line.wait()
                self.came.append(path)
            return answer

        return slow

    async def until_held(self, pilot: Pilot[None]) -> None:
        await happens(pilot, lambda: self.held, "an answer on its way")

    async def come(self, pilot: Pilot[None]) -> None:
        """All of them now, and whatever is drawn of them."""
        self._line.set()
        await happens(pilot, lambda: len(self.came) == len(self.held), "the answers")
        await pilot.pause(0.1)


async def shows(pilot: Pilot[None], what: str, timeout: float = 60.0) -> str:
    """Wait until `what` stands on the screen, on one line or broken over two; the whole screen as
    text."""

    def there(text: str) -> bool:
        return what in text or what in " ".join(text.split())

    return await comes(pilot, there, f"{what!r} on the screen", timeout)


async def comes(pilot: Pilot[None], question: Any, words: str, timeout: float = 60.0) -> str:
    """Wait until `question(screen as text)` is true; the screen."""
    steps = int(timeout / 0.05)
    text = ""
    for _ in range(steps):
        text = screen_text(pilot)
        if question(text):
            return text
        await pilot.pause(0.05)
    raise AssertionError(f"not within {timeout} s: {words}\n{text}")


async def happens(pilot: Pilot[None], question: Callable[[], T], what: str, s: float = 60.0) -> T:
    """Ask until the answer is true, while the app goes on: what it was told by a key, it does
    between two looks. The answer."""
    for _ in range(int(s / 0.05)):
        if answer := question():
            return answer
        await pilot.pause(0.05)
    raise AssertionError(f"not within {s} s: {what}\n{screen_text(pilot)}")


def screen_text(pilot: Pilot[None]) -> str:
    """What stands on the screen, line by line, as a person reads it."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)
