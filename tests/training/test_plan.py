"""How long a training is planned to take."""

from __future__ import annotations

import subprocess
import sys

import pytest

from appliance.library.plan import CROSS_VALIDATION, HOLDOUT, plan_training

MINUTE = 60.0


def test_few_short_clips_need_less_than_the_limit() -> None:
    plan = plan_training(80, 5, 160.0, 60 * MINUTE, CROSS_VALIDATION, 1500.0)
    assert plan.seconds < 1.5 * MINUTE
    assert not plan.limited
    assert plan.folds == 5
    assert "80 clips" in plan.why


def test_esc_10_takes_minutes_not_an_hour() -> None:
    plan = plan_training(320, 10, 1600.0, 60 * MINUTE, HOLDOUT, 1200.0)
    assert 3 * MINUTE < plan.seconds < 10 * MINUTE
    assert plan.folds == plan.fold_steps == 0


def test_a_holdout_judges_unknown_sounds_only_where_it_has_time_to_spare() -> None:
    clips = (320, 10, 1600.0)
    alone = plan_training(*clips, 60 * MINUTE, HOLDOUT, 1200.0)
    with_unknown = plan_training(*clips, 60 * MINUTE, HOLDOUT, 1200.0, spared=1)
    assert with_unknown.steps == alone.steps, "it costs the version nothing"
    assert (with_unknown.folds, with_unknown.fold_steps) == (1, alone.steps // 3)
    assert with_unknown.seconds > alone.seconds
    for limit_s in (3 * MINUTE, alone.seconds, alone.seconds * 1.3):
        tight = plan_training(*clips, limit_s, HOLDOUT, 1200.0, spared=1)
        assert tight == plan_training(*clips, limit_s, HOLDOUT, 1200.0)


@pytest.mark.parametrize("protocol", [CROSS_VALIDATION, HOLDOUT])
@pytest.mark.parametrize("clips", [10, 150, 5000, 200_000])
@pytest.mark.parametrize("limit_s", [6 * MINUTE, 60 * MINUTE, 6000 * MINUTE])
def test_the_limit_is_never_exceeded(protocol: str, clips: int, limit_s: float) -> None:
    plan = plan_training(clips, 20, clips * 4.0, limit_s, protocol, 900.0)
    assert 0 < plan.seconds <= limit_s
    assert plan.steps >= 1
    training = plan.all_steps * plan.batch / 900.0
    if plan.limited:
        assert training <= limit_s
        assert "limit" in plan.why


def test_more_clips_get_more_steps_and_a_faster_machine_less_time() -> None:
    steps = [
        plan_training(n, 5, n * 3.0, 1e6, HOLDOUT, 900.0).steps for n in (10, 100, 300, 1000, 9000)
    ]
    assert steps == sorted(steps)
    assert len(set(steps)) >= 4
    slow, fast = (plan_training(500, 5, 2000.0, 1e6, HOLDOUT, speed) for speed in (400.0, 4000.0))
    assert fast.steps == slow.steps
    assert fast.seconds < slow.seconds / 4


def test_the_plan_needs_no_torch() -> None:
    code = (
        "import sys, appliance.library.plan, appliance.audio.windows;"
        "sys.exit(bool({'torch', 'onnx', 'soundfile'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
