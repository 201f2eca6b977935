from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.jobs.house import House, add_clips
from tests.models import toy


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole result, for the pretended training to hand in."""
    return toy.write_result(tmp_path_factory.mktemp("template") / "result")


@pytest.fixture
def open_house(tmp_path: Path, template: Path) -> Iterator[Callable[[], House]]:
    """Opens the house of this test's data folder; opened again, it is the next daemon's."""
    behaviour = tmp_path / "behaviour.json"
    behaviour.write_text(json.dumps({"template": str(template)}))
    opened: list[House] = []

    def open_one() -> House:
        house = House(tmp_path / "data", behaviour)
        opened.append(house)
        return house

    yield open_one
    for house in opened:
        house.close()


@pytest.fixture
def house(open_house: Callable[[], House]) -> House:
    made = open_house()
    add_clips(made.db, made.folder, dog=5, cat=5)
    return made


@pytest.fixture
def closed(open_house: Callable[[], House]) -> House:
    """Ten clips and a queue that another process runs; this one only looks while that lives."""
    house = open_house()
    add_clips(house.db, house.folder, dog=5, cat=5)
    return house
