"""One-minute files of a microphone's history: their names say everything that is known of them.

`history/<microphone>/<number>-<wall ms>-<boot ms>-<boot id>-<length ms>-<speed>-<marks>.flac`: the
number orders them even where the clock jumps; the marks are `f` when the file goes on without a gap
where the one before it ended, and `s` when the clock was synchronised. A file appears under its
name only when it is complete.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.clock import Stamp
from appliance.errors import NotFound
from appliance.text import moment

RATE = 16_000
"""Of every file, in Hz."""

_NAME = re.compile(
    r"(?P<number>\d{9})-(?P<wall>\d{1,15})-(?P<boot_ms>\d{1,15})-(?P<boot>[0-9a-f]{32})"
    r"-(?P<length>\d{1,9})-(?P<speed>\d{1,4}(\.\d{1,3})?)-(?P<marks>f?s?)\.flac"
)
_ID_FILE = "microphone"
UNFINISHED = ".unfinished-"


@dataclass(frozen=True)
class Minute:
    """Unbroken sound of `microphone` (its id), `seconds` long, mono at `RATE`.

    `at`: wall clock of its first sample, epoch seconds; `stamp` with boot id and monotonic time.
    `follows`: it goes on where `number - 1` ended. `speed`: how much faster than the clock a
    replay ran; 1 for real microphones. `size`: bytes on disk.
    """

    microphone: str
    path: Path
    number: int
    seconds: float
    stamp: Stamp
    follows: bool
    speed: float
    size: int

    @property
    def at(self) -> float:
        return self.stamp.wall

    @property
    def name(self) -> str:
        """What the API calls it: its number within its microphone's history."""
        return str(self.number)


def folder_of(root: Path, microphone: str) -> Path:
    """Where that microphone's files lie: ids hold slashes, so it is a readable part and a hash."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", microphone).strip("-")[-40:]
    return root / f"{readable}-{hashlib.sha256(microphone.encode()).hexdigest()[:12]}"


def make_folder(root: Path, microphone: str) -> Path:
    """The same, made with its note of whose it is."""
    folder = folder_of(root, microphone)
    if not (folder / _ID_FILE).exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / _ID_FILE).write_text(microphone, encoding="utf-8")
    return folder


def file_name(number: int, stamp: Stamp, seconds: float, follows: bool, speed: float) -> str:
    marks = ("f" if follows else "") + ("s" if stamp.clock_synced else "")
    boot = stamp.boot_id.replace("-", "").lower()
    return (
        f"{number:09d}-{max(0, round(stamp.wall * 1000))}-{stamp.monotonic_ns // 1_000_000}"
        f"-{boot}-{round(seconds * 1000)}-{speed:g}-{marks}.flac"
    )


def all_minutes(root: Path) -> dict[str, list[Minute]]:
    """Every complete file by microphone, in order. What is no minute is left alone."""
    found: dict[str, list[Minute]] = {}
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        if folder.is_dir():
            for minute in minutes_in(folder):
                found.setdefault(minute.microphone, []).append(minute)
    return found


def minutes_in(folder: Path) -> list[Minute]:
    """The complete files of one microphone's folder, in order."""
    try:
        microphone = (folder / _ID_FILE).read_text(encoding="utf-8")
        entries = sorted(folder.iterdir())
    except (OSError, UnicodeDecodeError):
        return []
    made = []
    for path in entries:
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        try:
            size = path.stat().st_size
        except OSError:
            continue  # rolled away since the folder was read
        boot = match["boot"]
        made.append(
            Minute(
                microphone=microphone,
                path=path,
                number=int(match["number"]),
                seconds=int(match["length"]) / 1000,
                stamp=Stamp(
                    f"{boot[:8]}-{boot[8:12]}-{boot[12:16]}-{boot[16:20]}-{boot[20:]}",
                    int(match["boot_ms"]) * 1_000_000,
                    int(match["wall"]) / 1000,
                    "s" in match["marks"],
                ),
                follows="f" in match["marks"],
                speed=float(match["speed"]),
                size=size,
            )
        )
    return made


def unbroken(minutes: Iterable[Minute]) -> list[list[Minute]]:
    """One microphone's minutes as runs without a gap."""
    runs: list[list[Minute]] = []
    for minute in minutes:
        if runs and minute.follows and runs[-1][-1].number + 1 == minute.number:
            runs[-1].append(minute)
        else:
            runs.append([minute])
    return runs


def place_of(at: float, minutes: Sequence[Minute]) -> tuple[int, float]:
    """The number of the minute that holds `at` (wall clock), and the seconds from its beginning.

    minutes: of one microphone, oldest first. Raises NotFound when none does.
    """
    for minute in minutes:
        start_s = (at - minute.at) * minute.speed
        if 0 <= start_s < minute.seconds:
            return minute.number, start_s
    there = "nothing is kept of that microphone: see `earmark history`"
    if minutes:
        last = minutes[-1].at + minutes[-1].seconds / minutes[-1].speed
        there = (
            f"what is kept begins {moment(minutes[0].at)} and ends {moment(last)}, with gaps where "
            "the microphone gave nothing; a minute is there once it is complete"
        )
    raise NotFound(f"{moment(at)} is not in the history", there)
