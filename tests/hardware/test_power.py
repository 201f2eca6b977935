"""The power mode around a training: raised, put back, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.events import EventBus
from appliance.hardware.power import PowerRaiser
from appliance.paths import DataFolder
from firmware_hooks.power_control import FakePower, PowerControl, UnitPower
from firmware_hooks.power_mode import Request, Result


class House:
    """One daemon after another on one folder and one board."""

    def __init__(self, folder: DataFolder, power: PowerControl, wish: str = "max") -> None:
        self.folder = folder
        self.power = power
        self.wish = wish
        self.training = False
        self.raiser = self.boot()

    def boot(self) -> PowerRaiser:
        """A daemon starts; the one before was killed."""
        self.raiser = PowerRaiser(
            self.wish, self.power, self.folder, EventBus(), lambda: self.training
        )
        return self.raiser

    def look(self, times: int = 3) -> None:
        for _ in range(times):
            self.raiser.look()

    @property
    def noted(self) -> bool:
        return (self.folder.root / "power-mode.json").exists()


@pytest.fixture
def power() -> FakePower:
    return FakePower(current=1)


@pytest.fixture
def house(folder: DataFolder, power: FakePower) -> House:
    return House(folder, power)


def test_raised_for_a_training_and_back_after_it(house: House, power: FakePower) -> None:
    house.look()
    assert power.asked == []
    house.training = True
    house.look()
    assert (power.current, power.locked, house.noted) == (2, True, True)
    house.training = False
    house.look()
    assert (power.current, power.locked, house.noted) == (1, False, False)
    assert len(power.asked) == 2
    house.training = True
    house.look()
    assert power.current == 2, "and again for the next"


@pytest.mark.parametrize("reboot", [False, True])
def test_a_killed_daemon_and_a_reboot_put_it_back(
    house: House, power: FakePower, reboot: bool
) -> None:
    house.training = True
    house.look()
    if reboot:
        power.locked = False  # clocks are free again; the mode stays raised, as nvpmodel keeps it
    house.training = False
    house.wish = "" if reboot else "max"  # even when nobody wants it any more
    house.boot()
    house.look()
    assert (power.current, power.locked, house.noted) == (1, False, False)


def test_a_training_that_goes_on_after_a_restart_keeps_it_raised(
    house: House, power: FakePower
) -> None:
    house.training = True
    house.look()
    house.boot()
    house.look()
    assert power.current == 2
    house.training = False
    house.look()
    assert power.current == 1, "back to what was before the first daemon's training"


def test_a_stop_asks_for_it_back_and_the_next_start_makes_sure(
    house: House, power: FakePower
) -> None:
    house.training = True
    house.look()
    house.raiser.stop()
    assert power.current == 1
    assert house.noted, "the answer was not waited for"
    house.training = False
    house.boot()
    house.look()
    assert not house.noted


def test_what_a_person_chose_meanwhile_stays(house: House, power: FakePower) -> None:
    house.training = True
    house.look()
    power.current = 0
    house.training = False
    house.look()
    assert (power.current, power.locked, house.noted) == (0, False, False)


def test_a_mode_that_needs_a_reboot_is_left_alone_and_said(folder: DataFolder) -> None:
    power = FakePower(current=1, reboots=(2,))
    house = House(folder, power)
    house.training = True
    house.look(6)
    assert "reboot" in house.raiser.problem
    assert power.current == 1
    assert [request.clocks for request in power.asked] == [True, False], "asked once, not for ever"
    house.training = False
    house.look()
    assert (power.locked, house.noted) == (False, False)


@pytest.mark.parametrize(
    ("names", "wish", "says"),
    [((), "max", "the board has none"), (("15W", "25W"), "50W", "the board has 15W, 25W")],
)
def test_a_board_without_that_mode(
    folder: DataFolder, names: tuple[str, ...], wish: str, says: str
) -> None:
    house = House(folder, FakePower(names, current=0), wish)
    house.training = True
    house.look()
    assert says in house.raiser.problem
    assert not house.noted


def test_without_the_service_nothing_is_raised(folder: DataFolder, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/nvpmodel.conf").write_text("< POWER_MODEL ID=0 NAME=MAXN >\n")
    (root / "var/lib/nvpmodel").mkdir(parents=True)
    (root / "var/lib/nvpmodel/status").write_text("pmode:0000\n")
    house = House(folder, UnitPower(root, tmp_path / "no/folder/request", tmp_path / "state"))
    house.training = True
    house.look()
    assert "install the service" in house.raiser.problem
    assert not house.noted


class Silent(FakePower):
    """A path unit that is not enabled: nobody answers until `awake`."""

    awake = False

    def ask(self, request: Request) -> bool:
        if self.awake:
            return super().ask(request)
        self.asked.append(request)
        return True

    def result(self) -> Result | None:
        return super().result() if self.awake else None


def test_when_nobody_answers_it_is_said_and_tried_again_to_put_it_back(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    monkeypatch.setattr("appliance.hardware.power.clock.seconds", clock)
    power = Silent(current=1)
    house = House(folder, power)
    house.training = True
    house.look()
    now[0] = 100
    house.look()
    assert "earmark-power.path" in house.raiser.problem
    assert len(power.asked) == 1
    house.training = False
    power.awake = True
    house.look()
    assert (power.current, power.locked, house.noted) == (1, False, False)
    house.training = True
    house.look()
    assert (power.current, house.raiser.problem) == (2, "")
