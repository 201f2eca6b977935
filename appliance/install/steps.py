"""A step of an installation: it knows whether it is done, what it will do, and does it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.install.places import STARTED, USER, Places
from appliance.install.system import System


@dataclass(frozen=True)
class Step:
    """`shows`: the commands and files, for a dry run. `done` is asked just before `do`."""

    title: str
    shows: Sequence[str]
    done: Callable[[], bool]
    do: Callable[[], None]


Tell = Callable[[str], None]


def carry_out(steps: Sequence[Step], tell: Tell, *, dry_run: bool) -> int:
    """Do every step that is not done; returns how many there were to do. A dry run only tells."""
    needed = 0
    for number, step in enumerate(steps, start=1):
        head = f"[{number}/{len(steps)}] {step.title}"
        if step.done():
            tell(f"{head}: already so")
            continue
        needed += 1
        tell(head)
        for line in step.shows:
            tell(f"        {line}")
        if not dry_run:
            step.do()
    return needed


def write_file(target: Path, content: bytes, mode: int = 0o644) -> None:
    """Complete or not at all: written beside its place, fsynced and renamed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    partial.rename(target)


def link(target: Path, place: Path) -> None:
    """Let `place` point at `target`, in one moment."""
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(f".{place.name}.new")
    partial.unlink(missing_ok=True)
    partial.symlink_to(target)
    partial.rename(place)


def file_steps(places: Places, source: Path, names: Sequence[str]) -> list[Step]:
    """Shipped files, each to its place."""
    targets = places.files()

    def step(name: str) -> Step:
        content, target = (source / name).read_bytes(), targets[name]
        return Step(
            f"{target}",
            [],
            lambda: target.is_file() and target.read_bytes() == content,
            lambda: write_file(target, content),
        )

    return [step(name) for name in names]


def user_step(places: Places, system: System) -> Step:
    """The user and the groups that the unit names: one that is missing would stop it."""
    config = places.files()["earmark.sysusers"]
    return Step(
        f"user and group {USER}; groups audio, video, render, gpio",
        [f"systemd-sysusers {config}"],
        lambda: (
            system.asks("getent", "passwd", USER)
            and all(
                system.asks("getent", "group", group)
                for group in ("audio", "video", "render", "gpio")
            )
        ),
        lambda: _ignore(system.run("systemd-sysusers", str(config))),
    )


def folders_step(places: Places, system: System) -> Step:
    config = places.files()["earmark.tmpfiles"]
    return Step(
        f"data folder {places.data}",
        [f"systemd-tmpfiles --create {config}"],
        lambda: places.data.is_dir() and places.socket.parent.is_dir(),
        lambda: _ignore(system.run("systemd-tmpfiles", "--create", str(config))),
    )


def reload_step(system: System) -> Step:
    def do() -> None:
        system.run("systemctl", "daemon-reload")
        # Without a device manager (a container) there are no rules to apply.
        if system.asks("udevadm", "control", "--reload"):
            system.run("udevadm", "trigger", "--subsystem-match=gpio", "--subsystem-match=leds")

    return Step("tell systemd and udev", ["systemctl daemon-reload"], lambda: False, do)


def enable_step(system: System) -> Step:
    return Step(
        "start at every boot",
        [f"systemctl enable {' '.join(STARTED)}"],
        lambda: all(system.asks("systemctl", "is-enabled", "--quiet", unit) for unit in STARTED),
        lambda: _ignore(system.run("systemctl", "enable", *STARTED)),
    )


def _ignore(_output: str) -> None:
    """What a successful command printed."""
