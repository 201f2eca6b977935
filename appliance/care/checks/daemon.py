"""Check, for the doctor alone: does a daemon hold the data folder, though it does not answer?"""

from __future__ import annotations

from pathlib import Path

from appliance.care.check import Check

NAME = "daemon"


def check(lock: Path, why: str, locks: Path = Path("/proc/locks")) -> Check:
    """lock: the data folder's lock file, which is not touched; why: it does not answer."""
    holder = _holder(lock, locks)
    if holder is None:
        return Check(
            NAME,
            "warning",
            f"{why[0].upper()}{why[1:]}.",
            "start it: `systemctl start earmark`, or `earmark serve`; see its log if it ends",
        )
    return Check(
        NAME,
        "failing",
        f"{why[0].upper()}{why[1:]}; process {holder} holds the data folder.",
        "ask as the same user, and see its log; if it stays so, `systemctl restart earmark`",
    )


def _holder(lock: Path, locks: Path) -> int | None:
    """The process that holds an flock on `lock`. The kernel's table is read, since trying the
    lock could refuse it to a daemon that starts just now."""
    try:
        inode = str(lock.stat().st_ino)
        table = locks.read_text()
    except OSError:
        return None
    for line in table.splitlines():
        # 1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF
        words = line.split()
        if "FLOCK" in words and "->" not in words and words[5].rpartition(":")[2] == inode:
            return int(words[4])
    return None
