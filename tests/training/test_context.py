"""What follows from a manifest: the window, the phases, the hyperparameters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from appliance.training.clock import BudgetClock
from appliance.training.context import Context, make_context
from appliance.training.manifest import read_manifest
from appliance.training.network import Backbone, parameter_count
from appliance.training.planning import guessed_plan
from appliance.training.recipe import MOST_CLASSES
from tests.training.job_folder import Clip, write_job


def context(folder: Path, clips: list[Clip], **changes: object) -> Context:
    write_job(folder, clips, **changes)
    return make_context(folder, read_manifest(folder), BudgetClock(600.0))


def test_the_window_follows_the_sounds_not_the_background(
    digits: list[Clip], esc10: list[Clip], tmp_path: Path
) -> None:
    few = [clip for clip in digits if "_0.flac" in clip["path"]]
    rain = [{**clip, "label": "background"} for clip in esc10 if clip["label"] == "Rain"] * 8
    made = context(tmp_path / "job", few + rain)
    assert made.shape.window_samples / made.shape.rate < 1.2
    assert made.background == made.manifest.classes.index("background")
    recipe = made.recipe(guessed_plan(made))
    assert recipe.background > 0
    assert recipe.widths == (12, 24, 48, 72)  # 79 clips want the smaller network


def test_the_network_grows_with_the_clips_and_the_epochs_within_its_limit(
    digits: list[Clip], tmp_path: Path
) -> None:
    many = digits * 4

    def made(name: str, **changes: object) -> tuple[int, ...]:
        found = context(tmp_path / name, many, **changes)
        assert len(found.phases[0].train) >= 100
        return found.widths

    assert made("few-epochs", steps=100) == made("short", budget_s=20.0) == (16, 32, 64, 96)
    assert made("many-epochs", steps=3000) == made("long", budget_s=3600.0) == (24, 48, 72, 104)
    assert parameter_count(Backbone(MOST_CLASSES, (24, 48, 72, 104))) <= 300_000


def test_cross_validation_holds_every_clip_out_once(digits: list[Clip], tmp_path: Path) -> None:
    clips = [{**clip, "fold": clip["session"]} for clip in digits]
    version, *folds = context(tmp_path / "job", clips).phases
    assert version.makes_version
    assert len(version.train) == len(clips)
    assert not version.held_out
    assert sorted(place for fold in folds for place in fold.held_out) == list(range(len(clips)))
    for fold in folds:
        assert not set(fold.train) & set(fold.held_out)
        sessions = [
            {clips[place]["session"] for place in part} for part in (fold.train, fold.held_out)
        ]
        assert not sessions[0] & sessions[1]
    assert len({phase.seed for phase in (version, *folds)}) == 6


def test_a_holdout_is_one_phase(digits: list[Clip], tmp_path: Path) -> None:
    (phase,) = context(tmp_path / "job", digits, protocol="holdout").phases
    assert phase.makes_version
    assert {digits[place]["fold"] for place in phase.train} == {0}
    assert {digits[place]["fold"] for place in phase.held_out} == {1}


def test_a_network_that_meets_unknown_sounds_has_never_heard_them(
    esc10: list[Clip], tmp_path: Path
) -> None:
    for number, protocol in enumerate(("holdout", "cross-validation")):
        *_, last = context(tmp_path / str(number), esc10, protocol=protocol).phases
        assert last.strangers == {"Dog bark"}
        assert "Dog bark" not in {esc10[place]["label"] for place in last.train}
        assert not set(last.train) & set(last.held_out)
        dogs = {place for place, clip in enumerate(esc10) if clip["label"] == "Dog bark"}
        assert dogs < set(last.held_out)


def test_a_longer_plan_regularises_more(digits: list[Clip], tmp_path: Path) -> None:
    made = context(tmp_path / "job", digits, protocol="holdout")
    plan = guessed_plan(made)
    short, long = (made.recipe(replace(plan, steps=steps)) for steps in (50, 5000))
    assert short.mixing == 0 < long.mixing
