"""Check: is the board too hot, or slowed down by heat?"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.care.check import Check
from firmware_hooks.thermal import Zone, hottest

NAME = "temperature"
MARGIN_C = 10.0
COOL = "give it air: clean the fan, take it out of the sun; a lower power mode helps too"


def check(zones: Sequence[Zone], throttled: Sequence[str], hot: bool = False) -> Check:
    """throttled: what the board slows down now; hot: a training waits for it to cool."""
    zone = hottest(zones)
    if zone is None or zone.celsius is None:
        return Check(NAME, "not applicable", "This computer does not tell its temperature.")
    warm = f"{zone.name} has {zone.celsius:.0f} °C"
    if zone.critical is not None and zone.celsius >= zone.critical - MARGIN_C / 2:
        return Check(
            NAME,
            "failing",
            f"{warm}, and the board switches itself off at {zone.critical:.0f} °C.",
            COOL,
        )
    if throttled:
        return Check(NAME, "warning", f"{warm}: {', '.join(throttled)} is slowed down.", COOL)
    if hot:
        return Check(NAME, "warning", f"{warm}: training waits until it is cooler.", COOL)
    return Check(NAME, "ok", f"{warm}.")
