"""The demo: a box learns sounds and hears them, in a few minutes and without a microphone.

It starts a daemon of its own and talks to it through the HTTP API alone, as any client would. Its
microphones are replays of scenes that it synthesises, so it knows what was played and when: it
plays the person who labels, and at the end it is the judge.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from appliance.client import quoted
from appliance.demo import folder, play, teach, train
from appliance.demo.box import Box, command_exists
from appliance.demo.show import Screen
from appliance.demo.sounds import EVENTS
from appliance.errors import EarmarkError
from appliance.units import human_duration


@dataclass(frozen=True)
class Course:
    """How long the demo is. Seeds: the rooms that are learnt from count up from the lesson's; the
    exam's must stay apart."""

    lesson: teach.Lesson
    exam: play.Exam


FULL = Course(teach.Lesson(times=2, backgrounds=2, speed=4.0, seed=100), play.Exam(2, seed=900))
SHORT = Course(teach.Lesson(times=1, backgrounds=1, speed=4.0, seed=200), play.Exam(1, seed=901))


def run(
    root: Path,
    screen: Screen,
    *,
    course: Course = FULL,
    once: bool = False,
    port: int | None = None,
) -> int:
    """The whole journey in the data folder `root`; gives the exit status.

    0: the box heard what it had learnt. 1: a step failed or it heard too badly. Without `once`
    the daemon goes on afterwards.
    """
    began = time.monotonic()
    screen.title(
        "Earmark learns sounds",
        "No microphone is needed: every sound here is synthetic, made by this program. Real rooms "
        "are harder.",
    )
    try:
        for line in folder.prepare(root):
            screen.say(line)
        box = Box(root, port)
    except EarmarkError as error:
        return _refused(screen, error)
    # A closed terminal or a `kill` ends the demo as Ctrl-C does: with its box.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    passed = False
    try:
        passed = _journey(box, screen, course)
    except EarmarkError as error:
        _refused(screen, error)
        screen.say(f"the daemon's log is {box.log}")
    finally:
        # Also for Ctrl-C: a demo that did not come to its end leaves nothing running.
        if once or not passed:
            box.stop()
        else:
            box.leave()
    screen.console.print()
    screen.say(f"{human_duration(time.monotonic() - began)} altogether")
    if passed and not once:
        _what_next(box, screen)
    return 0 if passed else 1


def _journey(box: Box, screen: Screen, course: Course) -> bool:
    sounds = box.root / "scenes"

    screen.step("A box of its own")
    box.start()
    screen.say(f"daemon {box.pid} on {box.root}, http://127.0.0.1:{box.port}")
    with box.client() as client:
        screen.step(
            f"Five rooms, a microphone in each, played {course.lesson.speed:g} times faster"
        )
        screen.say(f"sounds: {', '.join(sorted(EVENTS))}; the box records by itself what rises")
        scenes = teach.render(course.lesson, sounds)
        teach.record(client, screen, course.lesson, scenes, sounds)

        screen.step("Labels")
        screen.say("a person would listen and type; the demo knows by its timetable what it played")
        teach.label(client, screen, scenes)
        train.readiness(client, screen)
        for room in scenes:
            client.patch(f"/microphones/{quoted(room)}", {"enabled": False})

        screen.step("A training job")
        job = train.submit(client, screen)

        screen.step("Training")
        job = train.watch(client, screen, job["id"])

        screen.step(f"How good is {job['version']}?")
        train.evaluation(client, screen, job["version"])

        screen.step("Deploy")
        train.deploy(client, screen, job["version"])

        screen.step("New sounds in another room, in real time")
        scene = play.render(course.exam, sounds)
        screen.say(
            f"{len(scene.events)} sounds in {scene.duration_s:.0f} s over "
            f"{', '.join(scene.backgrounds)}; none of them was in the training"
        )
        judge = play.play(box, client, screen, scene, sounds)

        screen.step("The verdict")
        passed = play.sum_up(screen, judge)
        if not passed:
            screen.say("too little was found or too much was wrong: this demo counts as failed")
        return passed


def _refused(screen: Screen, error: EarmarkError) -> int:
    screen.say(f"failed: {error}", "bold red")
    if error.advice:
        screen.say(error.advice)
    return 1


def _what_next(box: Box, screen: Screen) -> None:
    screen.step("The box goes on listening")
    earmark = _command()
    data = f"--data {shlex.quote(str(box.root))}"
    token = shlex.quote(str(box.root / "token"))
    if command_exists("tui"):
        screen.say(f"terminal UI:  {earmark} tui {data}")
    else:
        screen.say("terminal UI:  not in this version; the commands and the API have it all")
    screen.say(f"commands:     {earmark} status {data}")
    screen.say(f"              {earmark} detections {data}")
    screen.say(
        f'API:          curl -H "Authorization: Bearer $(cat {token})" '
        f"http://127.0.0.1:{box.port}/api/v1/status"
    )
    screen.say("              /api/v1/openapi.json there describes every route")
    screen.say(f"stop it:      kill {box.pid}")
    screen.console.print()
    screen.say(
        "Your own sounds go into a box of your own: the next demo empties this one. Stop it,"
    )
    screen.say("then:")
    screen.say(f"  {earmark} serve                         in another terminal")
    screen.say(f"  {earmark} devices                       which microphones there are")
    screen.say(f"  {earmark} devices add ID --name desk    then record, label, train, deploy")


def _command() -> str:
    """How the person can call `earmark` from where they are."""
    if shutil.which("earmark"):
        return "earmark"
    here, script = Path.cwd(), Path(sys.executable).with_name("earmark")
    return str(script.relative_to(here) if script.is_relative_to(here) else script)
