"""From what a child left behind to a reason, and the reading of its progress."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest

from appliance.jobs.job import REASONS
from appliance.jobs.outcome import MemoryWatch, end_state, judge
from appliance.jobs.progress import ProgressTail, line_to_progress, read_curve, read_plan


def vmstat(path: Path, kills: int) -> Path:
    path.write_text(f"nr_free_pages 1000\noom_kill {kills}\nswap_ra 0\n")
    return path


def test_a_kill_for_memory_is_seen_in_the_kernels_counter(tmp_path: Path) -> None:
    file = vmstat(tmp_path / "vmstat", 3)
    watch = MemoryWatch(file)
    assert not watch.struck()
    vmstat(file, 4)
    assert watch.struck()


def test_a_kernel_without_the_counter_calls_it_a_crash(tmp_path: Path) -> None:
    assert not MemoryWatch(tmp_path / "none").struck()


@pytest.mark.parametrize(
    ("status", "struck", "reason"),
    [
        (-signal.SIGKILL, True, "out of memory"),
        (137, True, "out of memory"),
        (-signal.SIGKILL, False, "crashed"),
        (137, False, "crashed"),
        (-signal.SIGSEGV, True, "crashed"),
        (1, True, "crashed"),
        (-250, False, "crashed"),
    ],
)
def test_how_a_child_without_a_word_ended(
    tmp_path: Path, status: int, struck: bool, reason: str
) -> None:
    (tmp_path / "worker.log").write_text("Fatal Python error: Segmentation fault\n\nThread 1:\n")
    verdict = judge(tmp_path, status, asked=None, memory_struck=struck)
    assert verdict.reason == reason
    if reason == "crashed":
        assert "Segmentation fault" in verdict.detail


INFO = "2026-01-02 03:04:05,678 INFO appliance.training.run: plan: Plan(seconds=1.5)"
ERROR = "2026-01-02 03:04:05,678 ERROR appliance.training.worker: training ended badly"
TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/x.py", line 1, in <module>
    raise ValueError

ValueError: no such clip"""


@pytest.mark.parametrize(
    ("log", "quoted"),
    [
        (INFO, ""),
        ("half a line of somebody's", ""),
        (f"{ERROR}\n{INFO}", ": training ended badly"),
        (f"{ERROR}\n{TRACEBACK}\n{INFO}", ": ValueError: no such clip"),
    ],
)
def test_only_an_error_is_quoted_from_the_log(tmp_path: Path, log: str, quoted: str) -> None:
    (tmp_path / "worker.log").write_text(f"{INFO}\n{log}\n")
    verdict = judge(tmp_path, -signal.SIGKILL, asked=None, memory_struck=False)
    assert verdict.detail == f"the training was ended by SIGKILL; see the job's log{quoted}"


def test_somebody_else_told_it_to_end(tmp_path: Path, template: Path) -> None:
    shutil.copytree(template, tmp_path / "result")
    content = json.loads((tmp_path / "result" / "result.json").read_text())
    content["stopped"] = "cancelled"
    (tmp_path / "result" / "result.json").write_text(json.dumps(content))
    verdict = judge(tmp_path, 0, asked=None, memory_struck=False)
    assert verdict.reason == "interrupted"
    assert verdict.result is not None


def test_an_unreadable_error_file_is_a_crash(tmp_path: Path) -> None:
    (tmp_path / "error.json").write_text("{")
    assert judge(tmp_path, 1, asked=None, memory_struck=False).reason == "crashed"


def test_each_reason_has_its_state() -> None:
    ends = {
        (reason, made): end_state(reason, has_version=made)
        for reason in REASONS
        for made in (True, False)
    }
    assert ends["converged", True] == "completed"
    assert ends["time limit", True] == "completed"
    assert ends["time limit", False] == "failed"
    assert {ends["cancelled", made] for made in (True, False)} == {"cancelled"}
    for reason in ("crashed", "out of memory", "interrupted", "diverged"):
        assert {ends[reason, made] for made in (True, False)} == {"failed"}


def test_a_half_written_line_waits_for_its_end(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    file.write_text('{"step": 1}\n')
    tail = ProgressTail(file, from_end=True)
    assert tail.new() == []
    with file.open("a") as writer:
        writer.write('{"step": 2}\n{"st')
        writer.flush()
        assert tail.new() == [{"step": 2}]
        assert tail.new() == []
        writer.write('ep": 3}\nnonsense\n[4]\n{"step": 5}\n')
    assert tail.new() == [{"step": 3}, {"step": 5}]


def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    tail = ProgressTail(tmp_path / "progress.jsonl", from_end=True)
    assert tail.new() == []
    (tmp_path / "progress.jsonl").write_text('{"step": 1}\n')
    assert tail.new() == [{"step": 1}]
    assert read_curve(tmp_path / "none") == []
    assert read_plan(tmp_path / "none") is None


def test_long_curves_are_thinned_and_keep_both_ends(tmp_path: Path) -> None:
    file = tmp_path / "progress.jsonl"
    file.write_text("".join(json.dumps({"step": n}) + "\n" for n in range(5_000)))
    steps = [line["step"] for line in read_curve(file)]
    assert len(steps) == 500
    assert (steps[0], steps[-1]) == (0, 4_999)
    assert steps == sorted(set(steps))


def test_progress_that_is_no_number_is_none() -> None:
    told = line_to_progress({"progress": 0.5, "eta_s": float("nan"), "loss": "NaN", "step": 3})
    assert (told["fraction"], told["eta_s"], told["loss"], told["step"]) == (0.5, 0.0, None, 3)
