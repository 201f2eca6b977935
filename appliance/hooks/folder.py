"""Which hooks there are: executables in a folder, and in its folders named after an event."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from appliance.hooks.happening import KINDS

# Left behind by editors and package managers; nobody means them to run.
_LEFT_OVER = ("~", ".bak", ".orig", ".rej", ".swp", ".dpkg-old", ".dpkg-new", ".dpkg-dist")


@dataclass(frozen=True)
class Hook:
    """name: "notify.sh", or "detection/notify.sh" for one that is run for that event alone (kind
    is None for all events). problem: why it is not run; empty when it is."""

    name: str
    path: Path
    kind: str | None
    problem: str


def find_hooks(folder: Path) -> list[Hook]:
    """By name. Looked at anew each time: a hook that is put there works at once."""
    hooks = _in_folder(folder, None)
    for kind in KINDS:
        hooks += _in_folder(folder / kind, kind)
    return sorted(hooks, key=lambda hook: hook.name)


def _in_folder(folder: Path, kind: str | None) -> list[Hook]:
    try:
        entries = sorted(folder.iterdir())
        unsafe = _unsafe(folder.stat(), "its folder")
    except OSError:
        return []
    hooks = []
    for path in entries:
        if path.name.startswith((".", "README")) or path.name.endswith(_LEFT_OVER):
            continue
        try:
            facts = path.stat()
        except OSError as error:
            problem = error.strerror or str(error)
        else:
            if stat.S_ISDIR(facts.st_mode):
                continue
            problem = unsafe or _problem(facts)
        name = path.name if kind is None else f"{kind}/{path.name}"
        hooks.append(Hook(name, path, kind, problem))
    return hooks


def _problem(facts: os.stat_result) -> str:
    if not stat.S_ISREG(facts.st_mode):
        return "it is no ordinary file"
    if not facts.st_mode & 0o111:
        return "it is not executable: chmod +x"
    return _unsafe(facts, "it")


def _unsafe(facts: os.stat_result, what: str) -> str:
    """A program that others can change would let them act as the daemon."""
    if facts.st_mode & stat.S_IWOTH:
        return f"everybody may change {what}: chmod o-w"
    if facts.st_uid not in (0, os.geteuid()):
        return f"{what} belongs to another user: chown"
    return ""
