"""Engines on a terminal: a build while it lasts, and the certificate in words"""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

from appliance.cli.common import State
from appliance.cli.output import count, percent, safe, say
from appliance.cli.progress import Progress
from appliance.units import human_size

if TYPE_CHECKING:
    from appliance.client import Client

LOOK_EVERY_S = 0.5
LONGEST_S = 1800.0
"""A build may wait for another one; the daemon ends each after a quarter of an hour."""


def post_and_show(state: State, client: Client, path: str, body: dict[str, Any] | None) -> Any:
    """POST what makes the daemon build an engine, and show how far it is until it answers."""
    answers: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()

    def post() -> None:
        try:
            answers.put((client.post(path, body, timeout_s=LONGEST_S), None))
        except BaseException as error:
            answers.put((None, error))

    # A daemon thread: after Ctrl-C the box goes on building, and this command ends.
    threading.Thread(target=post, name="deploy", daemon=True).start()
    with Progress("compiling", 1, "engine", quiet=state.json) as shown:
        while True:
            try:
                made, error = answers.get(timeout=LOOK_EVERY_S)
            except queue.Empty:
                if work := client.get("/deployments")["work"]:
                    shown.words(work["fraction"], _words(work))
                continue
            if error is not None:
                raise error
            return made


def building(client: Client) -> str:
    """The engine that the daemon builds now, in words; empty when it builds none."""
    work = client.get("/deployments")["work"]
    return f"{_words(work)}, {100 * work['fraction']:.0f} %" if work else ""


def _words(work: dict[str, Any]) -> str:
    return safe(f"engine of {work['version']} in {work['precision']}: {work['stage']}")


def show_certificate(figures: dict[str, Any]) -> None:
    """Two lines: does it say what was trained, and what it costs."""
    accuracy = ""
    if figures.get("accuracy") is not None:
        accuracy = (
            f"; accuracy {percent(figures['accuracy'])}, "
            f"as trained {percent(figures['reference_accuracy'])}"
        )
    say(
        f"  compared on {count(figures['windows'], 'window')}: same label on "
        f"{percent(figures['agreement'])} ({percent(figures['needed_agreement'])} needed), "
        f"largest difference {_small(figures['largest_difference'])}{accuracy}"
    )
    parts = [_latency("a window", figures["latency_median_ms"], figures["latency_p99_ms"])]
    if figures.get("batch", 1) > 1:
        whole = f"{figures['batch']} microphones"
        parts.append(_latency(whole, figures["batch_median_ms"], figures["batch_p99_ms"]))
    for name, words in (("memory_bytes", "memory"), ("engine_bytes", "engine")):
        if figures.get(name):
            parts.append(f"{words} {human_size(figures[name])}")
    say("  " + "; ".join(part for part in parts if part))


def show_engines(name: str, history: list[dict[str, Any]]) -> None:
    """The newest certificate of each precision that version `name` was deployed with."""
    seen: set[str] = set()
    for row in history:
        if row["version"] != name or row["precision"] in seen:
            continue
        seen.add(row["precision"])
        refused = row["state"] == "refused"
        words = safe(f"engine {row['precision']} on {row['engine']}: {row['state']}")
        say(words, "red" if refused else "bold")
        show_certificate(row["certificate"])


def _latency(what: str, median: float | None, p99: float | None) -> str:
    if median is None or p99 is None:
        return ""
    return f"{median:.2f} ms for {what}, {p99:.2f} ms at the 99th percentile"


def _small(value: float | None) -> str:
    return "none" if value is None else f"{value:.1e}"
