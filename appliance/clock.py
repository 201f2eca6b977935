"""Time on a box whose wall clock may be wrong.

Many boards have no battery for their clock: they start in 1970 and jump when the network
answers. So durations and order come from CLOCK_BOOTTIME (monotonic, counts suspend, the same in
every process), together with the kernel's boot id; wall time is kept for display only, with a
mark that says whether it was synchronised.
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


@dataclass(frozen=True)
class Stamp:
    """One moment: `monotonic_ns` within boot `boot_id`, and the wall clock (epoch seconds) then."""

    boot_id: str
    monotonic_ns: int
    wall: float
    clock_synced: bool


def monotonic_ns() -> int:
    """Nanoseconds since boot, suspend included; comparable between processes of one boot."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def seconds() -> float:
    """`monotonic_ns` in seconds, for measuring durations."""
    return monotonic_ns() / 1e9


@lru_cache(maxsize=1)
def boot_id() -> str:
    """The kernel's id of this boot."""
    return BOOT_ID_FILE.read_text().strip()


def clock_synced() -> bool:
    """Whether the kernel believes that its wall clock is right (adjtimex)."""
    libc = ctypes.CDLL(None, use_errno=True)
    # struct timex is 208 bytes on 64-bit Linux; modes = 0 only reads.
    buffer = ctypes.create_string_buffer(512)
    state: int = libc.adjtimex(buffer)
    return state >= 0 and state != _TIME_ERROR


def now() -> Stamp:
    """This moment."""
    return Stamp(boot_id(), monotonic_ns(), time.time(), clock_synced())


def stamp_at(moment_ns: int) -> Stamp:
    """The stamp of an earlier moment of this boot, from its `monotonic_ns`."""
    present = now()
    wall = present.wall - (present.monotonic_ns - moment_ns) / 1e9
    return Stamp(present.boot_id, moment_ns, wall, present.clock_synced)
