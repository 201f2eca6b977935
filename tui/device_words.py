"""What stands on the Device screen about the box, its board and its checks: lines of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.content import Content

from appliance.text import count, safe
from appliance.units import human_duration, human_size
from tui.draw import bar
from tui.words import deployment_words, job_words, privacy_words, speech_words

BAR = 20
MARKS = {
    "ok": ("✓", "$success"),
    "warning": ("!", "bold $warning"),
    "failing": ("✗", "bold $error"),
}


def status_lines(status: Mapping[str, Any]) -> list[Content]:
    """Of GET /status."""
    disk = status["disk"]
    used, free = 1 - disk["free"] / max(disk["total"], 1), human_size(disk["free"])
    clock = "set" if status["clock_synced"] else "! not synchronised: times may be wrong"
    lines = [
        _row("earmark", f"{status['version']}, up {human_duration(status['uptime_s'])}"),
        _row("listening", deployment_words(status.get("deployment"))),
        _row("training", job_words(status.get("job")) or "nothing runs"),
        _row("disk", f"{bar(used, BAR)} {free} free of {human_size(disk['total'])}"),
        _row("daemon", f"{status['memory_mb']:.0f} MB of memory, {safe(status['data_folder'])}"),
        _row("clock", clock),
        _row("library", f"{count(status['clips'], 'clip')}, {count(status['labels'], 'label')}"),
    ]
    if speech := speech_words(status.get("speech")):
        lines.append(_row("speech", speech))
    if shed := (status.get("space") or {}).get("shed"):
        words = f"! the disk is nearly full; not kept now: {', '.join(shed)}"
        lines.insert(0, Content.assemble((words, "bold $warning")))
    if paused := privacy_words(status.get("privacy")):
        lines.insert(0, Content.assemble((paused, "bold $warning")))
    return lines


def board_lines(board: Mapping[str, Any] | None) -> list[Content]:
    """Of GET /board; what the board lacks is left out."""
    if board is None:
        return []
    facts = board["board"]
    release = f", L4T {facts['l4t']}" if facts["l4t"] else ""
    lines = [_row("board", f"{safe(facts['model'])}{release}")]
    if memory := board["memory"]:
        share = 1 - memory["available"] / max(memory["total"], 1)
        free, total = human_size(memory["available"]), human_size(memory["total"])
        lines.append(_row("memory", f"{bar(share, BAR)} {free} free of {total}"))
    warm = [zone for zone in board["temperatures"] if zone["celsius"] is not None]
    if warm:
        zones = [f"{safe(zone['name'])} {zone['celsius']:.0f} °C" for zone in warm]
        lines.append(_row("heat", "  ".join(zones)))
    if board["throttled"]:
        lines.append(_row("heat", f"! slowed down: {', '.join(map(safe, board['throttled']))}"))
    if board["gpu_load"] is not None:
        lines.append(_row("gpu", f"{bar(board['gpu_load'], BAR)} {100 * board['gpu_load']:.0f} %"))
    if board["watts"] is not None:
        lines.append(_row("power", f"{board['watts']:.1f} W"))
    if mode := board["power_mode"]:
        lines.append(_row("power mode", safe(mode["name"])))
    if board["power_problem"]:
        lines.append(_row("power mode", f"! {safe(board['power_problem'])}"))
    return lines


def health_lines(health: Mapping[str, Any] | None, width: int = 100) -> list[Content]:
    """Of GET /health: a line a check, with its advice where something is wrong. width: cells; what
    is longer goes on below, and the names stand alone."""
    if health is None:
        return []
    lines = [Content("")]
    names = [safe(check["name"]) for check in health["checks"]]
    column = max([11, *map(len, names)]) + 1
    room = max(20, width - column - 2)
    for name, check in zip(names, health["checks"], strict=True):
        mark, style = MARKS.get(check["state"], ("-", "$secondary"))
        words = Content(safe(check["says"])).wrap(room)
        if check["state"] in ("warning", "failing") and check.get("advice"):
            words += Content(safe(check["advice"])).wrap(room)
        lines.append(Content.assemble((f"{mark} ", style), f"{name:<{column}}", *words[:1]))
        lines += [Content.assemble(" " * (column + 2), more) for more in words[1:]]
    return lines


def _row(name: str, words: str) -> Content:
    return Content.assemble((f"{name:<12}", "$secondary"), words)
