"""The demo's own data folder: made anew by each demo, and nobody else's is ever touched."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import time
from pathlib import Path

from appliance.errors import Conflict
from appliance.paths import DataFolder

MARKER = "demo.json"
_STOP_S = 20.0


def default_folder() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "earmark-demo"


def prepare(root: Path) -> list[str]:
    """Make `root` an empty folder for a demo; says in words what had to be done for it.

    What an earlier demo left is removed, and its daemon stopped. A folder that is not a demo's is
    refused. Clips that a person added to an earlier demo are kept: that folder is moved aside.
    Raises Conflict.
    """
    root = root.absolute()
    said: list[str] = []
    if root.exists() and any(root.iterdir()):
        marker = _marker(root)
        if marker is None:
            raise Conflict(
                f"{root} is not a demo's folder, and the demo would empty it",
                "give the demo an empty or new folder with --data",
            )
        known = marker.get("clips")
        strangers = _clips(root) - set(known if isinstance(known, list) else [])
        if _locked(root):
            _stop_old(root, marker, len(strangers))
            said.append("stopped the daemon of the demo before")
        if strangers:
            kept = root.with_name(f"{root.name}-kept-{time.strftime('%Y%m%d-%H%M%S')}")
            root.rename(kept)
            said.append(f"the demo before holds clips that are not the demo's: kept in {kept}")
        else:
            shutil.rmtree(root)
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o700)
    remember(root)
    return said


def remember(root: Path, pid: int | None = None) -> None:
    """Write the marker: this folder is a demo's, these clips are, and its daemon is `pid`.

    What comes into the folder later and is not remembered counts as a person's own.
    """
    process = None if pid is None else {"pid": pid, "started": process_start(pid)}
    content = {"made_by": "earmark demo", "daemon": process, "clips": sorted(_clips(root))}
    temporary = root / f".{MARKER}.part"
    temporary.write_text(json.dumps(content, indent=1))
    temporary.replace(root / MARKER)


def process_start(pid: int) -> int | None:
    """When process `pid` started, in clock ticks since boot; None when it is gone. Together with
    the number it names a process for good."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])


def _marker(root: Path) -> dict[str, object] | None:
    try:
        content = json.loads((root / MARKER).read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _clips(root: Path) -> set[str]:
    return {path.stem for path in DataFolder(root).clips.glob("??/*.flac")}


def _locked(root: Path) -> bool:
    """Whether a daemon holds the folder."""
    try:
        with DataFolder(root).lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _stop_old(root: Path, marker: dict[str, object], strangers: int) -> None:
    """End the daemon that an earlier demo left; refuse when it is another, or in use."""
    process = marker.get("daemon")
    pid = process.get("pid") if isinstance(process, dict) else None
    started = process.get("started") if isinstance(process, dict) else None
    if not isinstance(pid, int) or started is None or process_start(pid) != started:
        raise Conflict(
            f"a daemon that this demo did not start runs on {root}",
            "stop it, or give the demo another folder with --data",
        )
    if strangers:
        raise Conflict(
            f"the box of the last demo still runs (process {pid}) and holds {strangers} clips of"
            " yours",
            f"stop it with `kill {pid}` and start the demo again: your clips will be kept aside;"
            " or give another folder with --data",
        )
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _STOP_S
    while _locked(root):
        if time.monotonic() > deadline:
            raise Conflict(
                f"the box of the last demo (process {pid}) does not stop",
                f"end it with `kill -9 {pid}`, or give another folder with --data",
            )
        time.sleep(0.1)
