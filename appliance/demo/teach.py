"""The first half of the demo: rooms are heard, the box records by itself, the clips get labels."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.audio.capture_state import ABSENT
from appliance.client import Client, quoted
from appliance.demo.scene import BACKGROUND, Scene, compose, write_wav
from appliance.demo.show import Screen, counted
from appliance.demo.surroundings import BACKGROUNDS
from appliance.errors import Unavailable

ROOMS = ("kitchen", "hall", "bathroom", "living room", "study")
BACKGROUND_S = 4.0
PAD_S = 0.3
_SETTLE_S = 2.0
_STUCK_S = 60.0


@dataclass(frozen=True)
class Lesson:
    """How much is played to learn from.

    times: how often each sound comes in each room; backgrounds: background samples a room;
    speed: how much faster than real the rooms are played; seed: of the first room.
    """

    times: int
    backgrounds: int
    speed: float
    seed: int

    @property
    def lead_s(self) -> float:
        """Seconds of background alone at the beginning of each room's scene."""
        return 8.0 + 1.5 * self.backgrounds * BACKGROUND_S


def render(lesson: Lesson, folder: Path) -> dict[str, Scene]:
    """Compose and write one scene a room; gives them by the room's name."""
    folder.mkdir(exist_ok=True)
    scenes = {}
    kinds = tuple(BACKGROUNDS)
    for number, room in enumerate(ROOMS):
        # Each room begins with another background, so that all are gathered.
        first = number % len(kinds)
        scene, samples = compose(
            room,
            lesson.seed + number,
            times=lesson.times,
            backgrounds=kinds[first:] + kinds[:first],
            lead_s=lesson.lead_s,
        )
        write_wav(samples, scene.rate, folder / f"{room}.wav")
        scene.save_truth(folder / f"{room}.json")
        scenes[room] = scene
    return scenes


def record(
    client: Client, screen: Screen, lesson: Lesson, scenes: dict[str, Scene], folder: Path
) -> None:
    """Play every room into a microphone of its own and let the box record by itself.

    Raises Unavailable when a microphone does not come to the end of its scene.
    """
    for room, scene in scenes.items():
        client.post(
            "/microphones",
            {
                "source": f"replay:{folder / room}.wav?speed={lesson.speed:g}",
                "name": room,
                "listen": False,
            },
        )
        client.put(f"/microphones/{quoted(room)}/trigger", {})
        client.post(
            "/background",
            {
                "microphone": room,
                "samples": lesson.backgrounds,
                "over_s": lesson.lead_s - 4.0,
                "seconds": BACKGROUND_S,
                "label": BACKGROUND,
            },
        )
        screen.say(
            f"{room}: {scene.duration_s:.0f} s with {len(scene.events)} sounds over "
            f"{', '.join(scene.backgrounds)}"
        )
    longest = max(scene.duration_s for scene in scenes.values())
    with screen.moving() as line:
        for states, clips in _until_over(client, list(scenes)):
            heard_s = max(state["frames"] / max(state["rate"], 1) for state in states)
            line.update(
                f"{heard_s:.0f} of {longest:.0f} s of sound · {clips} clips recorded by the box",
                min(heard_s / longest, 1.0),
            )
    lost = sum(state["lost_frames"] for state in states)
    screen.say(f"{clips} clips in the inbox, {lost} frames lost")


def _until_over(client: Client, rooms: list[str]) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """The rooms' states and the number of clips, again and again, until all scenes are over and
    everything is stored."""
    moved = (-1, -1)
    moved_at = time.monotonic()
    while True:
        items = client.get("/microphones")["items"]
        states = [item["status"] for item in items if item["name"] in rooms]
        clips = client.get("/status")["clips"]
        clips = clips if isinstance(clips, int) else clips["total"]
        yield states, clips
        now = (sum(state["frames"] for state in states), clips)
        if now != moved:
            moved, moved_at = now, time.monotonic()
        quiet_s = time.monotonic() - moved_at
        if all(state["state"] == "ended" for state in states) and quiet_s > _SETTLE_S:
            return
        bad = [state for state in states if state["state"] in ABSENT]
        if bad and quiet_s > _SETTLE_S:
            raise Unavailable(f"a microphone failed: {bad[0]['detail']}", bad[0]["advice"])
        if quiet_s > _STUCK_S:
            raise Unavailable("the microphones give no more sound", "see the daemon's log")
        time.sleep(0.25)


def label(client: Client, screen: Screen, scenes: dict[str, Scene]) -> Counter[str]:
    """Label every clip of the inbox by what the timetable says about its frames; where two
    sounds ran into one clip, cut them out of it."""
    by_id = {item["id"]: item["name"] for item in client.get("/microphones")["items"]}
    wanted: dict[str, list[int]] = {}
    cuts = 0
    for clip in list(client.pages("/clips", unlabelled=True, limit=200)):
        scene = scenes[by_id[clip["microphone"]]]
        start_s = clip["frame"] / clip["sample_rate"]
        events = scene.during(start_s, start_s + clip["duration_s"])
        if len({event.label for event in events}) < 2:
            name = events[0].label if events else BACKGROUND
            wanted.setdefault(name, []).append(clip["id"])
            continue
        # Two sounds ran into one another: the clip itself stays without a label.
        for event in events:
            begins = max(event.start_s - PAD_S - start_s, 0.0)
            ends = min(event.end_s + PAD_S - start_s, clip["duration_s"])
            body = {"start_s": begins, "end_s": ends, "label": None}
            cut = client.post(f"/clips/{clip['id']}/cut", body)
            wanted.setdefault(event.label, []).append(cut["id"])
            cuts += 1
    known = {item["name"] for item in client.get("/labels")["items"]}
    for name, clips in sorted(wanted.items()):
        if name not in known:
            client.post("/labels", {"name": name})
        client.post("/clips/label", {"clips": clips, "label": name})
    counts = Counter({item["name"]: item["clips"] for item in client.get("/labels")["items"]})
    if cuts:
        screen.say(f"{cuts} cut out of clips that held more than one sound")
    screen.say(f"labelled: {counted(counts)}")
    return counts
