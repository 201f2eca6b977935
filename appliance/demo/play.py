"""The last part of the demo: new sounds in real time, and what the box says about them."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.text import Text

from appliance import clock
from appliance.audio.capture_state import ABSENT
from appliance.client import Client, quoted
from appliance.demo.box import Box
from appliance.demo.judge import AGAIN, FALSE, RIGHT, Heard, Judge, Judged
from appliance.demo.scene import BACKGROUND, Scene, compose, write_wav
from appliance.demo.show import Moving, Screen
from appliance.errors import EarmarkError, Unavailable

ROOM = "bedroom"
# After the last sound: its window, the smoothing, and the clip that is kept with a detection.
_AFTER_S = 6.0
_STYLE = {RIGHT: "green", AGAIN: "dim"}


@dataclass(frozen=True)
class Exam:
    """What is played at the end: each sound `times` times, none of them ever heard before."""

    times: int
    seed: int


def render(exam: Exam, folder: Path) -> Scene:
    scene, samples = compose(ROOM, exam.seed, times=exam.times, gap_s=(2.5, 3.5))
    write_wav(samples, scene.rate, folder / f"{ROOM}.wav")
    scene.save_truth(folder / f"{ROOM}.json")
    return scene


def play(box: Box, client: Client, screen: Screen, scene: Scene, folder: Path) -> Judge:
    """Play the scene in real time and print each detection as it comes; gives the judge."""
    told: queue.SimpleQueue[tuple[int, dict[str, Any]]] = queue.SimpleQueue()
    listening = threading.Event()
    thread = threading.Thread(
        target=_follow, args=(box, told, listening), name="detections", daemon=True
    )
    thread.start()
    if not listening.wait(10):
        raise Unavailable("the event stream does not open", "see the daemon's log")
    client.post("/microphones", {"source": f"replay:{folder / ROOM}.wav", "name": ROOM})
    microphone = client.get(f"/microphones/{quoted(ROOM)}")["id"]
    judge = Judge(scene.events)
    began = _Beginning(client)
    ended_at: float | None = None
    with screen.moving() as line:
        while ended_at is None or time.monotonic() - ended_at < _AFTER_S:
            state = began.ask()
            if state in ABSENT:
                raise Unavailable(f"the microphone {ROOM} is {state}", "see the daemon's log")
            if state == "ended" and ended_at is None:
                ended_at = time.monotonic()
            while not told.empty():
                at_ns, detection = told.get()
                if detection["microphone"] == microphone:
                    show(screen, judge.judge(_heard(detection, at_ns, began.ns)))
            _now_playing(line, scene, (clock.monotonic_ns() - began.ns) / 1e9, client, microphone)
            time.sleep(0.2)
    return judge


def show(screen: Screen, judged: Judged) -> None:
    """One line for a detection."""
    heard, event = judged.heard, judged.event
    line = Text(f"{heard.told_s:5.1f} s  ")
    line.append(f"{heard.label:<13}", style="bold")
    line.append(f" score {heard.score:.2f}  ")
    if judged.verdict == FALSE or event is None:
        line.append("FALSE ALARM: nothing was there", style="red")
    elif judged.verdict in _STYLE:
        words = "right" if judged.verdict == RIGHT else "the same sound again"
        line.append(words, style=_STYLE[judged.verdict])
        line.append(f", {judged.delay_s:.1f} s after it began")
    else:
        line.append(f"WRONG: it was {event.label}", style="red")
    screen.console.print(Text("   ").append(line), soft_wrap=True)


def sum_up(screen: Screen, judge: Judge) -> bool:
    """The misses, the verdict; gives whether the box passed."""
    for event in judge.missed:
        screen.say(f"missed: {event.label} at {event.start_s:.1f} s", "yellow")
    total, found = len(judge.events), len(judge.found)
    delays = [one.delay_s for one in judge.found.values() if one.delay_s is not None]
    typical = f", typically {median(delays):.1f} s after they began" if delays else ""
    alarms = len(judge.alarms)
    screen.say(
        f"{found} of {total} new sounds found{typical}; "
        f"{alarms} {'detection was' if alarms == 1 else 'detections were'} wrong",
        "bold green" if judge.passed else "bold red",
    )
    return judge.passed


class _Beginning:
    """When the replay's first frame was played, by CLOCK_BOOTTIME.

    The daemon says how many frames have come; each answer gives a moment that is a little late,
    by what was under way, so the earliest is the best.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self.ns = clock.monotonic_ns()
        self._known = False

    def ask(self) -> str:
        status = self._client.get(f"/microphones/{quoted(ROOM)}")["status"]
        if status["frames"] and status["rate"] and status["state"] != "ended":
            now = clock.monotonic_ns()
            ns = now - round(status["frames"] * 1e9 / status["rate"])
            self.ns = min(self.ns, ns) if self._known else ns
            self._known = True
        elif not self._known:
            self.ns = clock.monotonic_ns()
        return str(status["state"])


def _heard(detection: dict[str, Any], told_ns: int, began_ns: int) -> Heard:
    return Heard(
        detection["label"],
        (detection["monotonic_ns"] - began_ns) / 1e9,
        (told_ns - began_ns) / 1e9,
        detection["score"],
    )


def _follow(
    box: Box, told: queue.SimpleQueue[tuple[int, dict[str, Any]]], listening: threading.Event
) -> None:
    """Put each new detection into `told` with the moment at which a client learns of it."""
    known: set[int] = set()
    try:
        with box.client() as client:
            listening.set()
            for _, data in client.events(["detection"]):
                detection = data.get("detection", data)
                if detection["id"] not in known:
                    known.add(detection["id"])
                    told.put((clock.monotonic_ns(), detection))
    except EarmarkError:
        # The box was stopped; whoever plays notices that by itself.
        return


def _now_playing(line: Moving, scene: Scene, at_s: float, client: Client, microphone: str) -> None:
    hearing = client.get("/hearing").get(microphone) or {}
    top = " ".join(f"{one['label']} {one['score']:.2f}" for one in (hearing.get("top") or [])[:3])
    now = scene.during(at_s - 0.1, at_s + 0.1)
    playing = now[0].label if now else BACKGROUND
    line.update(
        f"{at_s:.0f} of {scene.duration_s:.0f} s · playing {playing} · hears {top}",
        min(at_s / scene.duration_s, 1.0),
    )
