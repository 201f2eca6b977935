"""Check: where there is an NVIDIA GPU, can torch train on it?

A build of torch for another CUDA, or for none, installs without a word and trains on the processor.
Only torch itself knows, so a child is asked: it adds up two numbers on the GPU.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.care.check import Check
from appliance.care.checks.gpu import present
from firmware_hooks.board import read_board

NAME = "torch"
ASK_S = 120.0
JETPACK_6_INDEX = "https://pypi.jetson-ai-lab.io/jp6/cu126"
INSTALL_AGAIN = f"sudo env PIP_INDEX_URL={JETPACK_6_INDEX} .venv/bin/earmark install --rebuild"

QUESTION = """
import json
found = {"version": "", "cuda": None, "problem": ""}
try:
    import torch
    found.update(version=torch.__version__, cuda=torch.version.cuda)
    torch.ones(2, device="cuda").sum().item()
except Exception as error:
    found["problem"] = (str(error).strip() or repr(error)).splitlines()[0]
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Torch:
    """version: "" when it cannot be imported; cuda: what it was built for; problem: why it does
    not compute on the GPU, "" when it does."""

    version: str
    cuda: str | None
    problem: str


def answered(said: str) -> Torch:
    """From what QUESTION printed, whatever torch printed before it."""
    lines = said.strip().splitlines()
    try:
        return Torch(**json.loads(lines[-1]))
    except (IndexError, ValueError, TypeError):
        return Torch("", None, lines[-1][:200] if lines else "it ended without a word")


def ask(python: str = sys.executable) -> Torch:
    """What the torch of that Python says; seconds."""
    try:
        done = subprocess.run(
            [python, "-c", QUESTION],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=ASK_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Torch("", None, f"it did not answer within {ASK_S:.0f} s")
    return answered(done.stdout)


def check(root: Path = Path("/"), find: Callable[[], Torch] = ask) -> Check:
    """`find` asks this Python's torch by default."""
    if not present(root):
        return Check(
            NAME, "not applicable", "There is no NVIDIA GPU: trainings run on the processor."
        )
    found = find()
    if not found.problem:
        return Check(NAME, "ok", f"torch {found.version} (CUDA {found.cuda}) trains on the GPU.")
    if not found.version:
        says = f"torch cannot be asked: {found.problem}."
    elif found.cuda is None:
        says = f"torch {found.version} is a build without CUDA: trainings run on the processor."
    else:
        says = (
            f"torch {found.version} is built for CUDA {found.cuda} and cannot use the GPU, so"
            f" trainings run on the processor: {found.problem}."
        )
    return Check(NAME, "warning", says, advice(root))


def advice(root: Path) -> str:
    """Which build of torch this board needs, and how it comes here."""
    jetpack = read_board(root).jetpack
    if jetpack == "6":
        return f"JetPack 6 needs NVIDIA's builds: {INSTALL_AGAIN}; see docs/installing.md"
    if jetpack is not None:
        return "`earmark install --rebuild` installs it anew; see docs/installing.md"
    return "install a build of torch for your driver's CUDA (`nvidia-smi` shows it)"
