"""`earmark board`."""

from __future__ import annotations

from typing import Any

from appliance.cli.common import State, command, emit, pass_state
from appliance.cli.output import pairs, percent, safe, say
from appliance.units import human_size


@command("board", short_help="The board: temperatures, power, button and light.")
@pass_state
def board(state: State) -> None:
    """Show what the box runs on, how warm it is, what it draws, and what is wired to it."""
    with state.client() as client:
        seen = client.get("/board")
    if state.json:
        emit(seen)
        return
    known, memory, mode = seen["board"], seen["memory"], seen["power_mode"]
    release = f"Jetson Linux {known['l4t']} (JetPack {known['jetpack']})" if known["l4t"] else None
    modes = ", ".join(safe(mode["name"]) for mode in seen["power_modes"])
    pairs(
        [
            ("board", safe(known["model"])),
            ("release", release),
            ("has", ", ".join(known["capabilities"]) or None),
            ("temperatures", _list(seen["temperatures"], "celsius", "°C")),
            ("slowed down", ", ".join(seen["throttled"]) or None),
            ("power", None if seen["watts"] is None else f"{seen['watts']:.1f} W"),
            ("rails", _list(seen["rails"], "watts", "W")),
            ("power mode", f"{safe(mode['name'])} of {modes}" if mode else None),
            ("GPU", None if seen["gpu_load"] is None else percent(seen["gpu_load"])),
            ("memory", memory and f"{human_size(memory['available'])} of "
                                  f"{human_size(memory['total'])} available"),
            ("training pauses", _heat(seen["heat"])),
            ("button", _wired(seen["button"])),
            ("light", _wired(seen["light"])),
        ]
    )  # fmt: skip
    if seen["power_problem"]:
        say(safe(seen["power_problem"]), "yellow")
    for name in seen["hung"]:
        say(f"{safe(name)} does not turn any more: see the log", "red")


def _list(rows: list[dict[str, Any]], key: str, unit: str) -> str | None:
    """Without those that are switched off."""
    known = [row for row in rows if row[key] is not None]
    return ", ".join(f"{safe(row['name'])} {row[key]:.1f} {unit}" for row in known) or None


def _heat(heat: dict[str, Any]) -> str | None:
    if heat["pause_at"] is None:
        return None
    now = "now, " if heat["hot"] else ""
    return f"{now}from {heat['pause_at']:.0f} °C until {heat['resume_at']:.0f} °C"


def _wired(wired: dict[str, Any]) -> str | None:
    if not wired["line"]:
        return None
    shown = f", shows {wired['state']}" if wired["state"] else ""
    return safe(wired["line"]) + (f": {safe(wired['problem'])}" if wired["problem"] else shown)
