"""The training child on real recordings: from a job folder to the files of a version."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from appliance.audio.windows import clip_probabilities, cut_windows, window_weights
from appliance.training.progress import BEFORE_THE_PLAN
from appliance.training.sounds import read_sound
from tests.training.job_folder import (
    RESULT_FILES,
    Clip,
    progress_lines,
    read_json,
    run_worker,
    worker_log,
    write_job,
)

pytestmark = pytest.mark.slow(60)


@pytest.fixture(scope="module")
def sounds_job(esc10: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of ESC-10, cross-validated, under a real clock."""
    clips = [c for c in esc10 if c["label"] in ("Dog bark", "Rain", "Clock tick")]
    folder = write_job(tmp_path_factory.mktemp("jobs") / "1", clips, steps=30)
    assert run_worker(folder) == 0, worker_log(folder)
    return folder


def test_all_files_are_there_and_nothing_else(sounds_job: Path) -> None:
    assert {file.name for file in (sounds_job / "result").iterdir()} == RESULT_FILES
    result = read_json(sounds_job / "result" / "result.json")
    assert result["stopped"] == "converged"
    assert set(result["files"]) == RESULT_FILES - {"result.json"}
    for name, facts in result["files"].items():
        assert (sounds_job / "result" / name).stat().st_size == facts["size"]
    assert not (sounds_job / "error.json").exists()
    assert not list(sounds_job.glob(".*"))


def test_it_learned_by_clips_that_it_had_not_seen(sounds_job: Path) -> None:
    found = read_json(sounds_job / "result" / "evaluation.json")
    assert found["protocol"] == "cross-validation"
    assert not found["optimistic"]
    assert found["clips"] == len(found["predictions"]) == 24
    assert {row["clip"] for row in found["predictions"]} == set(range(100, 124))
    assert found["accuracy"] > 0.6  # chance is 0.33
    assert found["macro"]["f1"] > 0.6
    assert [row["support"] for row in found["classes"]] == [8, 8, 8]
    assert np.sum(found["confusion"]["counts"]) == 24
    steps = [point["step"] for point in found["curves"]]
    assert steps == sorted(set(steps))
    assert steps[-1] == 30


def test_the_card_tells_all(sounds_job: Path) -> None:
    card = read_json(sounds_job / "result" / "card.json")
    assert card["classes"] == ["Clock tick", "Dog bark", "Rain"]
    assert card["sample_rate"] == 16000
    assert card["window_samples"] > card["hop_samples"] > 0
    assert 0 < card["parameters"] <= 300_000
    assert card["train"]["steps"] == 30
    assert card["train"]["seed"] == 0
    assert card["train"]["clips"] == 24


def test_onnx_runtime_gives_torch_s_outputs(sounds_job: Path) -> None:
    session = onnxruntime.InferenceSession(str(sounds_job / "result" / "model.onnx"))
    with np.load(sounds_job / "result" / "reference.npz", allow_pickle=False) as stored:
        windows, expected, labels = stored["windows"], stored["probabilities"], stored["labels"]
    card = read_json(sounds_job / "result" / "card.json")
    assert windows.shape == (24, card["window_samples"])
    assert np.abs(windows).max(axis=1).min() > 0
    (found, embedding) = session.run(None, {"waveform": windows})
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert embedding.shape[0] == 24
    # What the classes leave to 1 is the belief that the sound is none of them.
    assert (found.sum(axis=1) <= 1 + 1e-5).all()
    assert found.sum(axis=1).min() < 0.999
    # Its own training clips: the deployed network knows them.
    assert (found.argmax(axis=1) == labels).mean() > 0.8


def test_a_clip_is_recognised_the_way_predict_does_it(sounds_job: Path) -> None:
    session = onnxruntime.InferenceSession(str(sounds_job / "result" / "model.onnx"))
    card = read_json(sounds_job / "result" / "card.json")
    right = 0
    clips = read_json(sounds_job / "manifest.json")["clips"]
    for clip in clips:
        samples = read_sound(Path(clip["path"]), card["sample_rate"])
        windows = cut_windows(samples, card["window_samples"], card["hop_samples"])
        (answers,) = session.run(["probabilities"], {"waveform": windows})
        answer = clip_probabilities(answers, window_weights(windows))
        right += card["classes"][int(answer.argmax())] == clip["label"]
    assert right / len(clips) > 0.8


def test_progress_is_honest(sounds_job: Path) -> None:
    lines = progress_lines(sounds_job)
    done = [line["progress"] for line in lines]
    assert done == sorted(done)
    assert done[-1] == 1.0
    elapsed = [line["elapsed_s"] for line in lines]
    assert elapsed == sorted(elapsed)
    phases = list(dict.fromkeys(line["phase"] for line in lines))
    assert phases[0] == "features"
    # Before the plan is made nobody knows how long it will be: no leap, then.
    assert all(line["progress"] <= BEFORE_THE_PLAN for line in lines if line["phase"] == "features")
    assert phases[-1] == "exporting"
    assert "training" in phases
    assert any(line["loss"] for line in lines if line["phase"] == "training")
    assert all(line["eta_s"] >= 0 for line in lines)
    plan = read_json(sounds_job / "plan.json")
    assert (plan["steps"], plan["folds"]) == (30, 2)


def test_weights_describe_themselves(sounds_job: Path) -> None:
    with safe_open(sounds_job / "result" / "model.safetensors", framework="numpy") as file:
        assert file.metadata()["classes"] == '["Clock tick", "Dog bark", "Rain"]'


def test_same_bundle_seed_threads_and_steps_give_the_same_bits(
    digits: list[Clip], tmp_path: Path
) -> None:
    jobs = [
        write_job(tmp_path / name, digits, protocol="holdout", steps=12, seed=seed, threads=2)
        for name, seed in (("one", 3), ("two", 3), ("other", 4))
    ]
    # One after the other: threads of several trainings would wait for each other's.
    assert [run_worker(job) for job in jobs] == [0, 0, 0]
    one, two, other = (load_file(job / "result" / "model.safetensors") for job in jobs)
    assert all(np.array_equal(one[name], two[name]) for name in one)
    assert not np.array_equal(one["head.weight"], other["head.weight"])
    networks = [(job / "result" / "model.onnx").read_bytes() for job in jobs]
    assert networks[0] == networks[1]
    judged = [read_json(job / "result" / "evaluation.json")["predictions"] for job in jobs]
    assert judged[0] == judged[1]


def test_short_clips_of_a_strange_speaker(digits: list[Clip], tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", digits, protocol="holdout", steps=90)
    assert run_worker(folder) == 0, worker_log(folder)
    card = read_json(folder / "result" / "card.json")
    assert 0.9 < card["window_samples"] / card["sample_rate"] < 1.2
    assert card["front_end"]["high_hz"] == 4000  # nothing above it was ever recorded
    found = read_json(folder / "result" / "evaluation.json")
    assert found["clips"] == 24
    assert found["accuracy"] > 0.5  # chance is 0.33


def test_a_rare_class_is_not_lost(digits: list[Clip], tmp_path: Path) -> None:
    """30 clips against 10 and 5 in training: macro figures must not fall to chance."""
    takes = {"0": 6, "3": 2, "7": 1}  # of five speakers each; two more are held out
    clips = []
    for clip in digits:
        take = int(Path(clip["path"]).stem.rpartition("_")[2])
        if take < 2 or take - 2 < takes[clip["label"]]:
            clips.append({**clip, "fold": int(take < 2)})
    folder = write_job(tmp_path / "job", clips, protocol="holdout", steps=60)
    assert run_worker(folder) == 0, worker_log(folder)
    found = read_json(folder / "result" / "evaluation.json")
    assert [row["clips"] for row in found["classes"]] == [40, 20, 15]
    assert [row["support"] for row in found["classes"]] == [10, 10, 10]
    assert found["balanced_accuracy"] > 0.55  # chance is 0.33
    assert all(row["recall"] > 0 for row in found["classes"])


def test_a_version_can_be_continued_from(sounds_job: Path, tmp_path: Path) -> None:
    manifest = read_json(sounds_job / "manifest.json")
    folder = write_job(
        tmp_path / "job",
        manifest["clips"],
        initial_weights=str(sounds_job / "result" / "model.safetensors"),
        steps=8,
        protocol="holdout",
    )
    assert run_worker(folder) == 0, worker_log(folder)
    # Eight steps from nothing would know next to nothing.
    assert read_json(folder / "result" / "evaluation.json")["accuracy"] > 0.6
    ours, theirs = (read_json(job / "result" / "card.json") for job in (folder, sounds_job))
    assert ours["front_end"] == theirs["front_end"]
