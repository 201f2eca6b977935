"""The daemon on a bench: `python tests/e2e/bench.py DATA BENCH` is `earmark serve` on a board whose
sensors, and with a clock whose battery and network, are files below BENCH that a test changes."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from appliance import clock

SET, BOOT = "clock-is-set", "boot-id"


class Bench:
    """A board as the kernel shows it: one thermal zone, no clock battery, a count of boots."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._zone = root / "sys/class/thermal/thermal_zone0"

    def build(self) -> Bench:
        self._zone.mkdir(parents=True)
        (self._zone / "type").write_text("tj-thermal\n")
        self.warm(46)
        self.boot("first")
        return self

    def warm(self, celsius: float) -> None:
        (self._zone / "temp").write_text(f"{celsius * 1000:.0f}\n")

    def boot(self, name: str) -> None:
        (self.root / BOOT).write_text(name)

    def set_clock(self) -> None:
        """The network answers: from now on the box knows what time it is."""
        (self.root / SET).touch()


def _fake_clock(root: Path) -> None:
    boot = (root / BOOT).read_text()

    def now() -> clock.Stamp:
        is_set = (root / SET).exists()
        # Without a battery the clock counts from the epoch on.
        wall = time.time() if is_set else clock.seconds() % 86_400
        return clock.Stamp(boot, clock.monotonic_ns(), wall, is_set)

    clock.now = now
    clock.clock_synced = lambda: now().clock_synced
    clock.boot_id = lambda: boot  # type: ignore[assignment]


def main(data: Path, root: Path) -> int:
    # Before the daemon is imported, which takes these functions as defaults.
    _fake_clock(root)
    from patient import be_patient

    be_patient()
    from appliance.daemon import serve
    from appliance.hardware.kit import Kit
    from firmware_hooks.hotplug import FakeHotplug
    from firmware_hooks.lines import FakeLines
    from firmware_hooks.power_control import FakePower
    from firmware_hooks.sensors import SystemSensors

    kit = Kit(SystemSensors(root), FakeLines(), FakePower(), FakeHotplug(), {}, root)
    return serve(data, kit=kit)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
