"""Button, light, watchdog and hot-plug, through the fakes: the real callbacks on real threads."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import pyudev

from firmware_hooks import hotplug
from firmware_hooks.button import Button, Gestures, Timing
from firmware_hooks.hotplug import FakeHotplug, Plug, UdevHotplug
from firmware_hooks.led import PATTERNS, Blinker, SysfsLight, open_light
from firmware_hooks.lines import Edge, FakeLines, GpiodLines, LineError
from firmware_hooks.watchdog import FakeSystemd, Watchdog, interval_s, notify
from tests.waiting import until

# --- gestures ------------------------------------------------------------------------------------


def gestures(*moves: tuple[str, float], until_s: float = 100.0) -> list[tuple[str, float]]:
    """What a person's moves mean, and when it is told: time is stepped by 50 ms."""
    machine, told = Gestures(Timing(double_s=0.4, long_s=1.0)), []
    pending = list(moves)
    for step in range(round(until_s / 0.05)):
        now = step * 0.05
        while pending and pending[0][1] <= now + 1e-9:
            what, at = pending.pop(0)
            told += [(name, round(at, 2)) for name in machine.edge(what == "down", at)]
        told += [(name, round(now, 2)) for name in machine.tick(now)]
    return told


def test_press_double_and_long() -> None:
    assert gestures(("down", 1.0), ("up", 1.1)) == [("press", 1.5)]
    assert gestures(("down", 1.0), ("up", 1.1), ("down", 1.3), ("up", 1.4)) == [("double", 1.4)]
    # A long press is told while the button is still down, and its release says nothing.
    assert gestures(("down", 1.0), ("up", 3.0)) == [("long", 2.0)]
    two = (("down", 1.0), ("up", 1.1), ("down", 2.0), ("up", 2.1))
    assert gestures(*two) == [("press", 1.5), ("press", 2.5)]
    mixed = (("down", 1.0), ("up", 1.1), ("down", 1.3), ("up", 3.0))
    assert gestures(*mixed) == [("press", 2.3), ("long", 2.3)]
    assert gestures(("up", 1.0)) == []


# --- the button ----------------------------------------------------------------------------------


def test_a_button_calls_its_actions_and_survives_one_that_fails() -> None:
    lines, done, now = FakeLines(), [], [0.0]

    def broken() -> None:
        done.append("press")
        raise RuntimeError("no microphone")

    button = Button(
        lines,
        "PAC.06",
        {"press": broken, "long": lambda: done.append("long")},
        clock=lambda: now[0],
    )
    button.start()
    try:
        line = lines.inputs["PAC.06"]
        line.press(1.0)
        line.press(1.005)  # bounces
        line.release(1.01)
        line.release(1.1)
        now[0] = 1.6
        until(lambda: done == ["press"], "the press")
        line.press(2.0)
        now[0] = 3.0
        until(lambda: done == ["press", "long"], "the long press")
        line.release(3.5)
        # A double press has no action here, which is no error.
        for at in (4.0, 4.2):
            line.press(at)
            line.release(at + 0.1)
        line.press(5.0)
        now[0] = 6.0
        until(lambda: done == ["press", "long", "long"], "the next long press")
    finally:
        button.stop()
    assert lines.inputs["PAC.06"].closed
    assert button.problem == ""


def test_a_line_that_is_missing_or_in_use_is_a_problem_and_no_error() -> None:
    lines = FakeLines(missing=("PZ.99",))
    button = Button(lines, "PZ.99", {})
    button.start()
    assert "PZ.99" in button.problem
    button.stop()
    lines.input("PA.00", active_low=True, debounce_s=0.01)
    with pytest.raises(LineError, match="busy"):
        lines.output("PA.00", active_low=False)


def test_the_kernel_s_lines_say_what_is_wrong_where_there_is_no_gpio(tmp_path: Path) -> None:
    (tmp_path / "gpiochip0").write_text("no device")
    with pytest.raises(LineError, match="gpioinfo"):
        GpiodLines(tmp_path / "none").input("PAC.06", active_low=True, debounce_s=0.02)
    for line in ("gpiochip0:144", "PAC.06"):
        with pytest.raises(LineError, match="cannot be used"):
            GpiodLines(tmp_path).output(line, active_low=False)


def test_the_kernel_is_asked_for_debounced_edges_of_the_right_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libgpiod's own settings and enumerations; only the ioctls are played."""
    import gpiod
    from gpiod.edge_event import EdgeEvent
    from gpiod.line import Bias, Direction, Value
    from gpiod.line import Edge as Edges

    for number in (0, 1, 10):
        (tmp_path / f"gpiochip{number}").touch()
    asked: list[tuple[str, int, gpiod.LineSettings]] = []
    values: list[Value] = []

    class Chip:
        def __init__(self, path: str) -> None:
            self.path = path

        def __enter__(self) -> Chip:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def get_info(self) -> SimpleNamespace:
            label = {"0": "tegra234-gpio", "1": "tegra234-gpio-aon"}.get(self.path[-1], "other")
            return SimpleNamespace(label=label)

        def line_offset_from_id(self, name: str) -> int:
            if self.path.endswith("gpiochip0") and name == "PAC.06":
                return 144
            raise OSError(2, "No such file or directory")

    class Request:
        def wait_edge_events(self, timeout: timedelta) -> bool:
            return True

        def read_edge_events(self) -> list[EdgeEvent]:
            kinds = (EdgeEvent.Type.RISING_EDGE, EdgeEvent.Type.FALLING_EDGE)
            return [
                SimpleNamespace(event_type=kind, Type=EdgeEvent.Type, timestamp_ns=at)  # type: ignore[misc]
                for kind, at in zip(kinds, (1_000_000_000, 1_500_000_000), strict=True)
            ]

        def set_value(self, offset: int, value: Value) -> None:
            values.append(value)

        def release(self) -> None:
            pass

    def request(path: str, config: dict[int, gpiod.LineSettings], **_: object) -> Request:
        ((offset, settings),) = config.items()
        asked.append((path, offset, settings))
        return Request()

    monkeypatch.setattr(gpiod, "Chip", Chip)
    monkeypatch.setattr(gpiod, "request_lines", request)
    lines = GpiodLines(tmp_path)
    button = lines.input("PAC.06", active_low=True, debounce_s=0.02)
    assert button.wait(1) == [Edge(True, 1.0), Edge(False, 1.5)]
    button.close()
    light = lines.output("tegra234-gpio-aon:9", active_low=False)
    light.set(True)
    light.close()
    assert values == [Value.ACTIVE, Value.INACTIVE], "dark when it is given back"
    (chip, offset, settings), (other, pin, output) = asked
    assert (chip, offset) == (str(tmp_path / "gpiochip0"), 144)
    assert (other, pin) == (str(tmp_path / "gpiochip1"), 9)
    assert settings.direction is Direction.INPUT
    assert settings.edge_detection is Edges.BOTH
    assert settings.bias is Bias.PULL_UP
    assert settings.active_low
    assert settings.debounce_period == timedelta(milliseconds=20)
    assert output.direction is Direction.OUTPUT
    with pytest.raises(LineError, match="no GPIO line"):
        lines.input("PZ.99", active_low=True, debounce_s=0.02)


# --- the light -----------------------------------------------------------------------------------


def test_a_light_shows_the_rhythm_of_each_state_and_is_dark_at_the_end() -> None:
    lines = FakeLines()
    quick = {state: tuple(s / 100 for s in pattern) for state, pattern in PATTERNS.items()}
    light = Blinker(lambda: open_light("gpiochip0:50", lines, root=Path("/")), quick)
    light.start()
    output = lines.outputs["gpiochip0:50"]
    for state in PATTERNS:
        light.show(state)
        before = len(output.shown)
        until(lambda before=before: len(output.shown) >= before + 4, f"the rhythm of {state}")
    with pytest.raises(ValueError, match="no pattern"):
        light.show("disco")
    light.stop()
    assert not output.is_on
    assert output.closed


def test_no_state_is_a_light_that_stands_still() -> None:
    for pattern in PATTERNS.values():
        assert len(pattern) % 2 == 0
        assert all(seconds > 0 for seconds in pattern)
    assert len(set(PATTERNS.values())) == len(PATTERNS), "each can be told from the others"


def test_a_led_of_the_board_is_borrowed_and_given_back(tmp_path: Path) -> None:
    folder = tmp_path / "sys/class/leds/pwr"
    folder.mkdir(parents=True)
    (folder / "trigger").write_text("none [heartbeat] mmc0\n")
    (folder / "max_brightness").write_text("255\n")
    (folder / "brightness").write_text("0\n")
    light = SysfsLight("pwr", tmp_path)
    assert (folder / "trigger").read_text() == "none"
    light.set(True)
    assert (folder / "brightness").read_text() == "255"
    light.close()
    assert (folder / "brightness").read_text() == "0"
    assert (folder / "trigger").read_text() == "heartbeat"
    for name in ("none", "../../../etc"):
        blinker = Blinker(lambda name=name: SysfsLight(name, tmp_path))
        blinker.start()
        assert blinker.problem
        blinker.stop()


# --- the watchdog --------------------------------------------------------------------------------


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_and_the_watchdog_fed_only_while_every_loop_turns(
    tmp_path: Path, abstract: bool
) -> None:
    address = f"@earmark-{os.getpid()}" if abstract else str(tmp_path / "notify")
    systemd = FakeSystemd(address, watchdog_s=30)
    try:
        assert notify("READY=1", systemd.environment)
        assert systemd.received(5) == "READY=1"
        assert interval_s(systemd.environment) == 30
        ages = {"capture": 0.1, "detection": 0.5, "database": 0.0}
        told: list[list[str]] = []
        dog = Watchdog(
            lambda: ages,
            limit_s=20,
            every_s=0.01,
            feed=lambda: notify("WATCHDOG=1", systemd.environment),
            told=told.append,
        )
        assert dog.look()
        assert systemd.received(5) == "WATCHDOG=1"
        ages["detection"] = 21
        assert not dog.look()
        assert systemd.received(0.05) is None
        assert not dog.look()
        ages["detection"] = 0.2
        assert dog.look()
        assert told == [["detection"], []]
        dog.start()
        assert [systemd.received(5) for _ in range(3)] == ["WATCHDOG=1"] * 3
        dog.stop()
    finally:
        systemd.close()


def test_a_question_that_fails_feeds_nobody() -> None:
    fed, asked = [], threading.Event()

    def broken() -> dict[str, float]:
        asked.set()
        raise RuntimeError("the question hangs")

    dog = Watchdog(broken, limit_s=1, every_s=0.01, feed=lambda: fed.append(1))
    dog.start()
    assert asked.wait(30)
    dog.stop()
    assert fed == []


def test_without_systemd_nobody_is_told() -> None:
    assert not notify("READY=1", {})
    assert not notify("READY=1", {"NOTIFY_SOCKET": "/no/such/socket"})
    assert interval_s({}) is None
    assert interval_s({"WATCHDOG_USEC": "nonsense"}) is None
    assert interval_s({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}) is None
    mine = {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}
    assert interval_s(mine) == 1.0


# --- hot-plug ------------------------------------------------------------------------------------


def test_hot_plug_tells_of_a_device_by_its_stable_path() -> None:
    told: list[Plug] = []
    plugs = FakeHotplug()
    plugs.start(told.append)
    plugs.plug("platform-3610000.usb-usb-0:2.3:1.0")
    plugs.unplug("platform-3610000.usb-usb-0:2.3:1.0")
    plugs.stop()
    plugs.plug("later")
    assert [plug.action for plug in told] == ["add", "remove"]


class DrivenMonitor:
    """Gives what udev would: a device for each part of a card, an error now and then, or nothing
    for a while."""

    def __init__(self, *messages: SimpleNamespace | Exception) -> None:
        self.messages = list(messages)
        self.empty = threading.Event()

    def poll(self, timeout: float) -> SimpleNamespace | None:
        if not self.messages:
            self.empty.set()
            return None
        message = self.messages.pop(0)
        if isinstance(message, Exception):
            raise message
        return message


def part(name: str, action: str, **properties: str) -> SimpleNamespace:
    path = f"/devices/usb/sound/{name}"
    return SimpleNamespace(sys_name=name, action=action, properties=properties, device_path=path)


def test_of_a_cards_parts_the_card_alone_is_told_and_an_error_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monitor = DrivenMonitor(
        part("card1", "add", ID_PATH="usb-0:2.3:1.0"),
        part("pcmC1D0c", "add", ID_PATH="usb-0:2.3:1.0"),
        OSError("no buffer space"),
        part("card2", "remove"),
    )
    monkeypatch.setattr(UdevHotplug, "_open", lambda self: monitor)
    monkeypatch.setattr(hotplug, "LOOK_S", 0.01)
    told: list[Plug] = []
    plugs = UdevHotplug()
    plugs.start(told.append)
    assert monitor.empty.wait(30)
    plugs.stop()
    assert told == [Plug("add", "usb-0:2.3:1.0"), Plug("remove", "/devices/usb/sound/card2")]


@pytest.mark.parametrize(("there", "source"), [(True, "udev"), (False, "kernel")])
def test_the_real_monitor_listens_to_udev_or_else_to_the_kernel(
    tmp_path: Path,
    there: bool,
    source: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    control = tmp_path / "control"
    if there:
        control.touch()
    opened: list[tuple[str, pyudev.Monitor]] = []
    real = pyudev.Monitor.from_netlink

    def from_netlink(context: pyudev.Context, source: str) -> pyudev.Monitor:
        opened.append((source, real(context, source=source)))
        return opened[-1][1]

    monkeypatch.setattr(pyudev.Monitor, "from_netlink", from_netlink)
    plugs = UdevHotplug(control)
    plugs.start(lambda plug: None)
    until(lambda: opened and opened[0][1].started, "a real netlink socket that listens")
    plugs.stop()
    assert [where for where, _ in opened] == [source]
    assert "hotplug" not in {thread.name for thread in threading.enumerate()}
    assert not caplog.records, "neither an error nor the word that there is no udev"


def test_edges_are_in_order() -> None:
    line = FakeLines().input("a", active_low=True, debounce_s=0.0)
    assert line.wait(0.01) == []
    line.press(1.0)  # type: ignore[attr-defined]
    line.release(2.0)  # type: ignore[attr-defined]
    assert line.wait(1) == [Edge(True, 1.0), Edge(False, 2.0)]
