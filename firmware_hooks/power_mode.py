"""The board's power mode: what it is, what there is, and changing it through a root one-shot.

An ordinary process reads the modes and writes a request; systemd's path unit sees the file and
starts, as root,

    python -m firmware_hooks.power_mode apply --request FILE --state FILE

which calls `nvpmodel -m` and `jetson_clocks` and writes what came of it. The request names a mode
that the board's own nvpmodel.conf lists and nothing else; the file is no way to run anything. A
mode that wants a reboot is refused: nobody here answers nvpmodel's question, its standard input
is empty. What was before is the business of whoever asks: he keeps it where it outlives a reboot,
as nvpmodel does with the mode.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from firmware_hooks.files import read_text

REQUEST = Path("/run/earmark/power-mode.request")
STATE = Path("/run/earmark/power-mode.state")
# Three commands at most, within the 60 s that the unit allows.
TIMEOUT_S = 15.0
_MODEL = re.compile(r"<\s*POWER_MODEL\s+ID\s*=\s*(\d+)\s+NAME\s*=\s*(\S+?)\s*>")
_WATTS = re.compile(r"(\d+)\s*W(?![A-Za-z])", re.IGNORECASE)
_REBOOT = "reboot required"
_LONGEST_REQUEST = 4096


@dataclass(frozen=True)
class PowerMode:
    id: int
    name: str


@dataclass(frozen=True)
class PowerModes:
    """current: None when the board does not say; all: by id, empty where there is no nvpmodel."""

    current: PowerMode | None
    all: tuple[PowerMode, ...]

    def named(self, name: str) -> PowerMode | None:
        """By name, in whatever spelling, or by number."""
        wanted = name.strip().lower()
        return next((m for m in self.all if wanted in (m.name.lower(), str(m.id))), None)

    @property
    def strongest(self) -> PowerMode | None:
        """MAXN, or the most watts; None when the names do not tell."""
        unlimited = [mode for mode in self.all if "maxn" in mode.name.lower()]
        if unlimited:
            # Some boards list MAXN and, above it, MAXN_SUPER.
            return max(unlimited, key=lambda mode: len(mode.name))
        watts = [(int(w[1]), mode.id, mode) for mode in self.all if (w := _WATTS.search(mode.name))]
        return max(watts)[2] if watts else None


@dataclass(frozen=True)
class Request:
    """id: any word of the asker's, which the result repeats. mode: its number, None leaves it.
    clocks: lock them at the mode's highest (True), or give them back (False)."""

    id: str
    mode: int | None
    clocks: bool


@dataclass(frozen=True)
class Result:
    """outcome: "done", "needs reboot" (nothing was changed), "refused", or "failed"; `detail`
    says why. mode: the board's mode afterwards."""

    id: str
    outcome: str
    detail: str
    mode: int | None


def read_modes(root: Path = Path("/")) -> PowerModes:
    """From nvpmodel's own files, which anybody may read."""
    text = read_text(root / "etc/nvpmodel.conf") or ""
    modes = tuple(PowerMode(int(number), name) for number, name in _MODEL.findall(text))
    status = re.search(r"pmode:(\d+)", read_text(root / "var/lib/nvpmodel/status") or "")
    current = None
    if status is not None:
        number = int(status[1])
        current = next((m for m in modes if m.id == number), PowerMode(number, str(number)))
    return PowerModes(current, tuple(sorted(modes, key=lambda mode: mode.id)))


def write_request(request: Request, file: Path = REQUEST) -> None:
    """Ask for it; the one-shot reads whole requests only. Raises OSError."""
    _replace(file, asdict(request))


def read_result(file: Path = STATE) -> Result | None:
    """What came of the last request; None before the first."""
    try:
        found = json.loads(read_text(file) or "")
        return Result(
            str(found["id"]), str(found["outcome"]), str(found["detail"]), found.get("mode")
        )
    except (ValueError, KeyError, TypeError):
        return None


def read_request(file: Path) -> Request:
    """Raises OSError, ValueError. The file is its writer's, who is not root: no links are
    followed, nothing long is read, and only plain values of the right kind are taken."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("the request is no ordinary file")
        data = os.read(descriptor, _LONGEST_REQUEST + 1)
    finally:
        os.close(descriptor)
    if len(data) > _LONGEST_REQUEST:
        raise ValueError("the request is too long")
    found = json.loads(data)
    if not isinstance(found, dict) or not set(found) <= {"id", "mode", "clocks"}:
        raise ValueError("the request is not what it should be")
    identifier, mode, clocks = found.get("id", ""), found.get("mode"), found.get("clocks", False)
    if not isinstance(identifier, str) or not isinstance(clocks, bool):
        raise ValueError("the request is not what it should be")
    if mode is not None and (not isinstance(mode, int) or isinstance(mode, bool)):
        raise ValueError("the mode is no number")
    return Request(identifier[:80], mode, clocks)


def apply(request: Request, root: Path = Path("/")) -> Result:
    """Do it, as root. Never raises for what the board answers."""
    modes = read_modes(root)
    if not modes.all:
        return Result(request.id, "refused", "this computer has no power modes", None)
    outcome, detail = "done", ""
    if request.mode is not None and request.mode not in {mode.id for mode in modes.all}:
        outcome, detail = "refused", f"the board has no power mode {request.mode}"
    elif request.mode is not None and (modes.current is None or modes.current.id != request.mode):
        outcome, detail = _set_mode(request.mode, root)
    if outcome == "done":
        outcome, detail = _set_clocks(request.clocks, root)
    now = read_modes(root).current
    return Result(request.id, outcome, detail, now.id if now else None)


def _set_mode(mode: int, root: Path) -> tuple[str, str]:
    status, output = _run([str(root / "usr/sbin/nvpmodel"), "-m", str(mode)])
    if _REBOOT in output.lower():
        return "needs reboot", f"power mode {mode} needs a reboot, which only a person decides"
    if status != 0:
        return "failed", f"nvpmodel: {_last_line(output) or f'status {status}'}"
    return "done", ""


def _set_clocks(locked: bool, root: Path) -> tuple[str, str]:
    """jetson_clocks, with what was before kept in a file of this boot: after a reboot the clocks
    are free anyway. The file lies where only root writes, since it is obeyed as root."""
    command = str(root / "usr/bin/jetson_clocks")
    if not Path(command).exists():
        return "done", "this board has no jetson_clocks"
    boot = read_text(root / "proc/sys/kernel/random/boot_id") or "unknown"
    folder = root / "var/lib/nvpmodel"
    kept = folder / f"earmark-clocks.{boot}.conf"
    if locked == kept.exists():
        return "done", ""
    for stale in folder.glob("earmark-clocks.*.conf"):
        if stale != kept:
            stale.unlink(missing_ok=True)
    steps = [["--store", str(kept)], []] if locked else [["--restore", str(kept)]]
    for arguments in steps:
        status, output = _run([command, *arguments])
        if status != 0:
            return "failed", f"jetson_clocks: {_last_line(output) or f'status {status}'}"
    if not locked:
        kept.unlink(missing_ok=True)
    return "done", ""


def _run(command: list[str]) -> tuple[int, str]:
    """Status and output. Standard input is empty: a question gets no answer."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return -1, f"no answer within {TIMEOUT_S:.0f} s"
    except OSError as error:
        return -1, str(error)
    return done.returncode, done.stdout.decode(errors="replace")


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _replace(file: Path, value: dict[str, object]) -> None:
    """Write JSON beside `file` under a name that nobody can have made ready, and rename."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w") as out:
            json.dump(value, out)
            out.write("\n")
            # Of the open file: its name may be another one's by now, in a folder of the daemon's.
            os.fchmod(out.fileno(), 0o644)
        os.replace(name, file)  # noqa: PTH105
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def main(arguments: list[str] | None = None) -> int:
    """`apply` a request once; the exit status is 0 when the board obeyed."""
    parser = argparse.ArgumentParser(prog="python -m firmware_hooks.power_mode")
    parser.add_argument("verb", choices=["apply"])
    parser.add_argument("--request", type=Path, default=REQUEST)
    parser.add_argument("--state", type=Path, default=STATE)
    parser.add_argument("--root", type=Path, default=Path("/"))
    given = parser.parse_args(arguments)
    try:
        result = apply(read_request(given.request), given.root)
    except FileNotFoundError:
        return 0  # taken back before we came
    except (OSError, ValueError) as error:
        result = Result("", "refused", str(error), None)
    _replace(given.state, asdict(result))
    sys.stderr.write(f"power mode: {result.outcome} {result.detail}\n")
    return 0 if result.outcome == "done" else 1


if __name__ == "__main__":
    sys.exit(main())
