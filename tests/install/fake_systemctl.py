"""A `systemctl` that behaves, for a system without systemd as its first process.

It starts ExecStart of the unit as the unit's user with the unit's environment, keeps to
Type=notify (a start ends with READY=1 or with the process), and stops by SIGTERM, then SIGKILL.
What it keeps lies in /run/fake-systemd.
"""

from __future__ import annotations

import os
import pwd
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

STATE = Path("/run/fake-systemd")
UNITS = Path("/etc/systemd/system")


def unit_lines(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key.strip(), []).append(value.strip())
    return found


def main_pid(name: str) -> int | None:
    try:
        pid = int((STATE / f"{name}.pid").read_text())
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else pid


def start(name: str) -> int:
    unit = unit_lines(name)
    if "ExecStart" not in unit or main_pid(name):
        return 0
    user = pwd.getpwnam(unit["User"][0])
    environment = {"PATH": os.environ["PATH"]}
    environment.update(word.split("=", 1) for word in unit.get("Environment", []))
    for given in unit.get("EnvironmentFile", []):
        file = Path(given.removeprefix("-"))
        if file.exists():
            environment.update(line.split("=", 1) for line in file.read_text().split())
    for folder, base in (("RuntimeDirectory", "/run"), ("CacheDirectory", "/var/cache")):
        for value in unit.get(folder, []):
            path = Path(base, value)
            path.mkdir(mode=0o750, parents=True, exist_ok=True)
            os.chown(path, user.pw_uid, user.pw_gid)
    told = STATE / f"{name}.notify"
    told.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(told))
    told.chmod(0o666)
    environment["NOTIFY_SOCKET"] = str(told)
    log = (STATE / f"{name}.log").open("ab")
    child = subprocess.Popen(
        shlex.split(unit["ExecStart"][0]),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment,
        cwd=unit["WorkingDirectory"][0],
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        start_new_session=True,
    )
    (STATE / f"{name}.pid").write_text(str(child.pid))
    listener.settimeout(0.2)
    deadline = time.monotonic() + 60
    while unit["Type"][0] == "notify":
        try:
            if b"READY=1" in listener.recv(4096):
                break
        except TimeoutError:
            pass
        if child.poll() is not None or time.monotonic() > deadline:
            sys.stderr.write(f"Job for {name} failed. See journalctl -u {name}.\n")
            stop(name)
            return 1
    return 0


def stop(name: str) -> int:
    pid = main_pid(name)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while main_pid(name) and time.monotonic() < deadline:
            time.sleep(0.05)
        if main_pid(name):
            os.kill(pid, signal.SIGKILL)
    return 0


def main(words: list[str]) -> int:
    STATE.mkdir(exist_ok=True)
    now, options = "--now" in words, [w for w in words if not w.startswith("--")]
    verb, names = options[0], options[1:]
    enabled = STATE / "enabled"
    kept = set(enabled.read_text().split()) if enabled.exists() else set()
    status = 0
    if verb in ("enable", "disable"):
        missing = [name for name in names if not (UNITS / name).is_file()]
        if missing:
            sys.stderr.write(f"Unit file {missing[0]} does not exist.\n")
            return 1
        kept = kept | set(names) if verb == "enable" else kept - set(names)
        enabled.write_text("\n".join(sorted(kept)))
    if verb == "is-enabled":
        return int(not set(names) <= kept)
    if verb == "cat":
        return int(not all((UNITS / name).is_file() for name in names))
    for name in names:
        if verb == "start" or (verb == "enable" and now):
            status |= start(name)
        elif verb == "stop" or (verb == "disable" and now):
            status |= stop(name)
        elif verb == "is-active":
            status |= int(main_pid(name) is None)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
