"""What must be, and what had better be, before anything is changed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.care.checks import torch_cuda
from appliance.install.places import Places
from appliance.install.release import JETSON
from appliance.install.system import InstallFailed, System
from firmware_hooks.board import read_board

NEEDED_GB = 8.0
"""Of a release while it is built: PyTorch is large."""


@dataclass(frozen=True)
class Finding:
    """`stops`: nothing is installed before it is mended."""

    name: str
    good: bool
    says: str
    advice: str = ""
    stops: bool = False


def look(places: Places, system: System, python: str, *, builds: bool) -> list[Finding]:
    """All checks; `builds`: a new release will be built, which takes room."""
    return [
        _root(),
        _systemd(places),
        _python(system, python),
        room(places, builds=builds),
        _sound(places),
        _gpu(places),
        _tensorrt(system, places, python),
        *_torch_index(system, places, python),
    ]


def stopping(findings: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.stops and not finding.good]


def _root() -> Finding:
    return Finding(
        "root",
        os.geteuid() == 0,
        "run by root" if os.geteuid() == 0 else "not run by root",
        "run it with sudo: it makes a user, a service and files in /etc",
        stops=True,
    )


def _systemd(places: Places) -> Finding:
    there = (places.root / "run/systemd/system").is_dir()
    return Finding(
        "systemd",
        there,
        "runs this system" if there else "does not run this system",
        "without systemd, start `earmark serve` by what starts your services",
        stops=True,
    )


def _python(system: System, python: str) -> Finding:
    script = "import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 14))"
    good = system.asks(python, "-c", script)
    return Finding(
        "python",
        good,
        python if good else f"{python} is not 3.10 to 3.13 with its venv module",
        "apt install python3-venv, or name another one with --python",
        stops=True,
    )


def room(places: Places, *, builds: bool) -> Finding:
    """Whether there is room for a release."""
    folder = places.home
    while not folder.exists():
        folder = folder.parent
    free_gb = shutil.disk_usage(folder).free / 1e9
    good = free_gb >= NEEDED_GB or not builds
    return Finding(
        "disk",
        good,
        f"{free_gb:.0f} GB free for {places.home}",
        f"a release takes up to {NEEDED_GB:.0f} GB while it is built: free some",
        stops=True,
    )


def _sound(places: Places) -> Finding:
    cards = _text(places.root / "proc/asound/cards")
    good = bool(cards.strip()) and "no soundcards" not in cards
    return Finding(
        "sound card",
        good,
        "there is one" if good else "none is plugged in",
        "plug in a microphone, now or later: it is found when it comes",
    )


def _gpu(places: Places) -> Finding:
    devices = ("dev/nvidia0", "dev/nvhost-gpu", "dev/nvgpu/igpu0", "dev/nvmap")
    good = any((places.root / name).exists() for name in devices)
    return Finding(
        "NVIDIA GPU",
        good,
        "there is one" if good else "there is none",
        "trainings run on the processor, and listening in ONNX Runtime",
    )


def _tensorrt(system: System, places: Places, python: str) -> Finding:
    good = system.asks(python, "-c", "import tensorrt")
    jetson = (places.root / JETSON.relative_to("/")).exists()
    advice = (
        "apt install python3-libnvinfer, then run this again"
        if jetson
        else "only boxes with an NVIDIA GPU have it; ONNX Runtime listens instead"
    )
    return Finding("TensorRT", good, f"{python} has {'it' if good else 'none'}", advice)


def _torch_index(system: System, places: Places, python: str) -> list[Finding]:
    """Said before minutes are spent on it: where would pip take torch from on JetPack 6?"""
    if read_board(places.root).jetpack != "6":
        return []
    try:
        # pip's variables are among them, such as PIP_INDEX_URL.
        named = system.run(sys.executable, "-m", "pip", "config", "list")
    except InstallFailed:
        named = ""
    good = "jetson" in named or not _asked(system, python).problem
    return [
        Finding(
            "torch's index",
            good,
            "pip takes NVIDIA's builds" if good else "pip would take builds without this GPU",
            f"trainings would run on the processor; {torch_cuda.advice(places.root)}",
        )
    ]


def torch(system: System, places: Places, python: str) -> Finding:
    """Of a release that is built: can its torch train on the GPU that is there?"""
    seen = torch_cuda.check(places.root, lambda: _asked(system, python))
    return Finding("torch", seen.state != "warning", seen.says, seen.advice)


def _asked(system: System, python: str) -> torch_cuda.Torch:
    try:
        said = system.run(python, "-c", torch_cuda.QUESTION, timeout_s=torch_cuda.ASK_S)
    except InstallFailed as error:
        said = str(error)
    return torch_cuda.answered(said)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""
