"""The limit, with a clock that counts work instead of time: each sign of life is 0.2 s."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from appliance.errors import TrainingError
from appliance.training.clock import BudgetClock
from appliance.training.manifest import read_manifest
from appliance.training.run import Run
from tests.training.job_folder import Clip, progress_lines, read_json, write_job

pytestmark = pytest.mark.slow(20)

TICK_S = 0.2


class WorkClock(BudgetClock):
    """Active seconds are signs of life: steps, and clips read or judged."""

    ticks = 0

    def tick(self) -> None:
        self.ticks += 1

    @property
    def elapsed_s(self) -> float:
        return self.used_s + self.ticks * TICK_S


def run(folder: Path) -> WorkClock:
    manifest = read_manifest(folder)
    budget = WorkClock(manifest.budget_s, manifest.used_s)
    Run(folder, manifest, budget).execute()
    return budget


@pytest.fixture
def folded(digits: list[Clip]) -> list[Clip]:
    """15 clips in five folds, a speaker each."""
    few = [clip for clip in digits if "_0.flac" in clip["path"]]
    return [{**clip, "fold": clip["session"]} for clip in few]


def test_the_clock_shares_out_what_there_is(folded: list[Clip], tmp_path: Path) -> None:
    """15 clips read (3 s), 1 s measured, the rest for a version, five folds and judging."""
    folder = write_job(tmp_path / "job", folded, budget_s=20.0)
    budget = run(folder)
    plan = read_json(folder / "plan.json")
    assert plan["limited"]
    assert plan["windows_per_second"] == pytest.approx(plan["batch"] / TICK_S)
    assert budget.elapsed_s <= 20.0
    assert read_json(folder / "result" / "result.json")["stopped"] == "time limit"
    found = read_json(folder / "result" / "evaluation.json")
    assert found["clips"] == 15  # every fold had its turn
    assert not found["optimistic"]
    phases = {line["phase"] for line in progress_lines(folder)}
    assert {"training", "fold 1 of 5", "fold 5 of 5"} <= phases
    # The version had more than a judging network, and used about all of its share.
    steps = found["curves"][-1]["step"]
    assert steps > plan["fold_steps"]
    assert steps >= 0.8 * plan["steps"]


def test_time_left_over_is_not_used(folded: list[Clip], tmp_path: Path) -> None:
    """A few classes of few clips stop by themselves, long before the limit."""
    clips = [{**clip, "fold": clip["fold"] % 2} for clip in folded]
    folder = write_job(tmp_path / "job", clips, budget_s=3600.0, steps=12)
    budget = run(folder)
    assert budget.elapsed_s < 20.0
    assert read_json(folder / "result" / "result.json")["stopped"] == "converged"


class SlowSteps(WorkClock):
    """Slower than was planned; killed after so many signs of life."""

    killed_at: int | None = None

    def tick(self) -> None:
        super().tick()
        if self.ticks == self.killed_at:
            raise KeyboardInterrupt


def attempt(folder: Path, used_s: float, killed_at: int | None = None) -> float:
    """Active seconds when it ended."""
    manifest = read_manifest(folder)
    budget = SlowSteps(manifest.budget_s, used_s)
    budget.killed_at = killed_at
    with contextlib.suppress(KeyboardInterrupt):
        Run(folder, manifest, budget).execute()
    return budget.elapsed_s


def test_the_time_left_is_known_from_phase_to_phase_and_after_a_resume(
    folded: list[Clip], tmp_path: Path
) -> None:
    """The plan is far too short: the estimate learns from the steps, and keeps what it learned."""
    folder = write_job(tmp_path / "job", folded, budget_s=3600.0, steps=30)
    before_s = attempt(folder, 0.0, killed_at=120)
    before = len(progress_lines(folder))
    assert read_json(folder / "plan.json")["seconds"] < before_s, "the plan tells nothing any more"
    total_s = attempt(folder, before_s)
    lines = progress_lines(folder)
    assert {line["phase"] for line in lines[before:]} >= {"features", "fold 5 of 5"}
    learned = [line for line in lines if line["phase"].startswith("fold")] + lines[before:]
    for line in learned:
        left = total_s - line["elapsed_s"]
        assert line["eta_s"] == pytest.approx(left, rel=0.3, abs=5.0), line
    assert all(line["progress"] < 1.0 for line in lines[:-1])
    assert lines[-1]["progress"] == 1.0


def test_what_earlier_attempts_used_is_gone(folded: list[Clip], tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", folded, budget_s=3600.0, used_s=3599.0)
    with pytest.raises(TrainingError) as caught:
        run(folder)
    assert caught.value.reason == "time limit"
    assert not (folder / "result").exists()


def test_without_held_out_clips_the_figures_say_so(folded: list[Clip], tmp_path: Path) -> None:
    """Cancelled before any fold was done: the version is kept, its figures are optimistic."""
    folder = write_job(tmp_path / "job", folded, budget_s=3600.0, steps=400)

    class Cancelling(WorkClock):
        def tick(self) -> None:
            super().tick()
            if self.ticks == 30:
                self.cancel()

    manifest = read_manifest(folder)
    Run(folder, manifest, Cancelling(manifest.budget_s)).execute()
    assert read_json(folder / "result" / "result.json")["stopped"] == "cancelled"
    found = read_json(folder / "result" / "evaluation.json")
    assert found["optimistic"]
    assert "trained on" in found["note"]
    assert 0 < found["clips"] <= 15
