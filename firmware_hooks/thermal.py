"""Temperatures by zone, which engines the board throttles now, and when it is too hot to train.

Zones are known by their type, never by their number, which changes from release to release; the
types' spelling does too (`gpu-thermal`, `GPU-therm`). A zone of a part without power (cv0 on
Orin, the idle GPU on Thor) answers EAGAIN to every read: that is "no value", not an error.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from firmware_hooks.files import numbered, read_int, read_text

# Zones that say nothing about the silicon: estimates for the fan, and a constant of many PCs.
_NOT_A_CHIP = ("fan-est", "pmic", "acpitz", "iwlwifi", "int3400")


@dataclass(frozen=True)
class Zone:
    """`name` is the type without "-thermal" or "-therm", in small letters; `celsius` is None
    while the zone is off. critical: where the board switches itself off, if it says so."""

    name: str
    celsius: float | None
    critical: float | None = None

    @property
    def is_chip(self) -> bool:
        return not any(word in self.name for word in _NOT_A_CHIP)


def read_zones(root: Path = Path("/")) -> list[Zone]:
    """All zones, by their number; empty where there are none."""
    zones = []
    for folder in numbered(root / "sys/class/thermal", "thermal_zone"):
        kind = read_text(folder / "type")
        if kind:
            milli = read_int(folder / "temp")
            celsius = None if milli is None or milli <= -40_000 else milli / 1000
            zones.append(Zone(_plain(kind), celsius, _critical(folder)))
    return zones


def hottest(zones: Iterable[Zone]) -> Zone | None:
    """The hottest zone of the chip; None when none has a value."""
    warm = [zone for zone in zones if zone.celsius is not None and zone.is_chip]
    return max(warm, key=lambda zone: zone.celsius or 0.0, default=None)


def throttled(root: Path = Path("/")) -> list[str]:
    """What the board slows down now for heat, e.g. ["gpu"]: its throttle alerts that are on."""
    found = []
    for folder in numbered(root / "sys/class/thermal", "cooling_device"):
        kind = read_text(folder / "type") or ""
        if kind.endswith("-throttle-alert") and (read_int(folder / "cur_state") or 0) > 0:
            found.append(kind[: -len("-throttle-alert")])
    return sorted(found)


class HeatGuard:
    """Too hot at `pause_at`, cool enough again only at `resume_at`, both in °C.

    `push` it each measurement; `hot` says how it stands. Without a value (None) nothing changes.
    """

    def __init__(self, pause_at: float, resume_at: float) -> None:
        if resume_at >= pause_at:
            raise ValueError("resume_at must lie below pause_at")
        self.pause_at = pause_at
        self.resume_at = resume_at
        self.hot = False

    def push(self, celsius: float | None) -> bool:
        if celsius is not None:
            self.hot = celsius > self.resume_at if self.hot else celsius >= self.pause_at
        return self.hot


def _plain(kind: str) -> str:
    name = kind.lower()
    for ending in ("-thermal", "_thermal", "-therm"):
        name = name.removesuffix(ending)
    return name


def _critical(folder: Path) -> float | None:
    for trip in range(16):
        kind = read_text(folder / f"trip_point_{trip}_type")
        if kind is None:
            return None
        milli = read_int(folder / f"trip_point_{trip}_temp")
        if kind == "critical" and milli is not None and milli > 0:
            return milli / 1000
    return None
