"""How much power the board draws, rail by rail, from its INA3221 and INA238 monitors.

Both appear below /sys/class/hwmon (numbers change from boot to boot; the `name` file tells). The
INA3221 gives millivolts and milliamperes for up to three labelled channels; its channels 4 to 7
are shunt voltages and their sum, no rails. The INA238 (Thor's input) gives microwatts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from firmware_hooks.files import numbered, read_int, read_text

# Rails that feed the whole board: they hold the others, and must not be added to them.
_INPUTS = ("VDD_IN", "VIN", "POM_5V_IN")


@dataclass(frozen=True)
class Rail:
    """`watts` is None while the channel is switched off."""

    name: str
    watts: float | None


def read_rails(root: Path = Path("/")) -> list[Rail]:
    """By chip and channel; empty where there is no monitor."""
    rails = []
    for folder in numbered(root / "sys/class/hwmon", "hwmon"):
        chip = read_text(folder / "name")
        if chip == "ina3221":
            rails += _ina3221(folder)
        elif chip == "ina238":
            micro = read_int(folder / "power1_input")
            rails.append(Rail("VIN", None if micro is None else micro / 1e6))
    return rails


def total_watts(rails: list[Rail]) -> float | None:
    """What the board draws: its input rail where it has one, else the sum of all that tell."""
    known = {rail.name: rail.watts for rail in rails if rail.watts is not None}
    for name in _INPUTS:
        if name in known:
            return known[name]
    return sum(known.values()) if known else None


def _ina3221(folder: Path) -> list[Rail]:
    rails = []
    for channel in (1, 2, 3):
        label = read_text(folder / f"in{channel}_label")
        # NC: not connected, on the second monitor of an AGX Orin.
        if not label or label == "NC":
            continue
        millivolts = read_int(folder / f"in{channel}_input")
        milliamperes = read_int(folder / f"curr{channel}_input")
        known = millivolts is not None and milliamperes is not None
        rails.append(Rail(label, millivolts * milliamperes / 1e6 if known else None))  # type: ignore[operator]
    return rails
