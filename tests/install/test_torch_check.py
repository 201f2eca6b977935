"""A GPU that torch cannot use is told, by `install` before and after a build, and by doctor."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from appliance.care.checks import torch_cuda
from appliance.install import checks
from appliance.install.places import Places
from appliance.install.system import RealSystem

TREES = Path(__file__).parent.parent / "firmware_hooks/trees"


class Board(RealSystem):
    """A system whose pip and whose Pythons answer as they are told; the rest is real."""

    def __init__(self, pip: str = "", torch: str = "") -> None:
        self.pip, self.torch = pip, torch

    def run(self, *words: str, timeout_s: float = 300.0) -> str:
        if words[1:3] == ("-m", "pip"):
            return self.pip
        if words[1:] == ("-c", torch_cuda.QUESTION):
            return self.torch
        raise AssertionError(words)


def answer(version: str, cuda: str | None, problem: str) -> str:
    """As QUESTION prints it, after a warning of torch's own."""
    found = {"version": version, "cuda": cuda, "problem": problem}
    return f"UserWarning: the driver is too old\n{json.dumps(found)}\n"


@pytest.fixture
def orin(tmp_path: Path) -> Path:
    """An Orin Nano with JetPack 6, from its recorded tree."""
    root = tmp_path / "orin"
    shutil.copytree(TREES / "orin-nano-jp6", root, symlinks=True)
    return root


def test_install_on_jetpack_6_says_where_torch_would_come_from(orin: Path) -> None:
    def index(system: Board, root: Path = orin) -> list[checks.Finding]:
        found = checks.look(Places(root), system, sys.executable, builds=True)
        return [finding for finding in found if finding.name == "torch's index"]

    plain = answer("2.11.0+cpu", None, "Torch not compiled with CUDA enabled")
    [bad] = index(Board(torch=plain))
    assert (bad.good, bad.stops) == (False, False)
    assert torch_cuda.INSTALL_AGAIN in bad.advice
    [named] = index(Board(pip=f":env:.index-url='{torch_cuda.JETPACK_6_INDEX}'\n", torch=plain))
    assert named.good
    [of_the_system] = index(Board(torch=answer("2.8.0", "12.6", "")))
    assert of_the_system.good
    assert index(Board(), TREES / "orin-nano-jp7") == []


def test_install_says_whether_the_torch_that_it_built_trains_on_the_gpu(orin: Path) -> None:
    def torch(said: str, root: Path = orin) -> checks.Finding:
        return checks.torch(Board(torch=said), Places(root), "/opt/python")

    assert torch(answer("2.8.0", "12.6", "")).good
    other = torch(answer("2.11.0+cu130", "13.0", "no kernel image is available"))
    assert not other.good
    assert "built for CUDA 13.0 and cannot use the GPU" in other.says
    assert "--rebuild" in other.advice
    killed = torch("Illegal instruction (core dumped)")
    assert not killed.good
    assert "Illegal instruction" in killed.says
    assert torch("", TREES / "pc").good, "no GPU, no fault"


def test_doctor_asks_the_torch_that_is_there(orin: Path, tmp_path: Path) -> None:
    seen = torch_cuda.ask()
    assert seen.version
    found = torch_cuda.check(orin, lambda: seen)
    assert found.state == ("warning" if seen.problem else "ok")
    if seen.problem:
        assert torch_cuda.JETPACK_6_INDEX in found.advice
    assert torch_cuda.check(TREES / "pc").state == "not applicable"
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\nexit 1\n")
    silent.chmod(0o755)
    assert "without a word" in torch_cuda.ask(str(silent)).problem
