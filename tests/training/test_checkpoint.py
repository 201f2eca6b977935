"""Checkpoints: two are kept, and a damaged one is passed over."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest
import torch

from appliance.training.checkpoint import Checkpoint, load_newest, save
from appliance.training.clock import BudgetClock
from appliance.training.progress import ProgressWriter


def checkpoint(number: int) -> Checkpoint:
    return Checkpoint({"weights": torch.full((3, 2), float(number))}, {"step": number})


def test_the_newest_two_are_kept(tmp_path: Path) -> None:
    for number in range(1, 6):
        save(tmp_path, checkpoint(number))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["000004", "000005"]
    newest = load_newest(tmp_path)
    assert newest is not None
    assert newest.state == {"step": 5}
    assert torch.equal(newest.tensors["weights"], checkpoint(5).tensors["weights"])


def damage_tensors(place: Path) -> None:
    content = bytearray((place / "tensors.safetensors").read_bytes())
    content[-1] ^= 1
    (place / "tensors.safetensors").write_bytes(content)


def cut_state(place: Path) -> None:
    (place / "state.json").write_text((place / "state.json").read_text()[:-2])


def lose_manifest(place: Path) -> None:
    (place / "manifest.json").unlink()


def empty_manifest(place: Path) -> None:
    (place / "manifest.json").write_text(json.dumps([]))


@pytest.mark.parametrize("harm", [damage_tensors, cut_state, lose_manifest, empty_manifest])
def test_a_damaged_one_falls_back_to_the_one_before(
    tmp_path: Path, harm: object, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, checkpoint(1))
    assert callable(harm)
    harm(save(tmp_path, checkpoint(2)))
    found = load_newest(tmp_path)
    assert found is not None
    assert found.state == {"step": 1}
    assert "000002 is damaged" in caplog.text


def test_an_unfinished_one_is_none(tmp_path: Path) -> None:
    assert load_newest(tmp_path / "nowhere") is None
    place = save(tmp_path, checkpoint(1))
    place.rename(tmp_path / ".000001.tmp")
    assert load_newest(tmp_path) is None
    assert save(tmp_path, checkpoint(7)).name == "000001"


def test_a_full_disk_costs_the_new_one_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, checkpoint(1))

    def full(path: Path, text: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            save(tmp_path, checkpoint(2))
    assert [entry.name for entry in tmp_path.iterdir()] == ["000001"], "nothing half-done stays"
    assert save(tmp_path, checkpoint(2)).name == "000002"


def test_a_full_disk_costs_lines_of_progress_and_the_next_is_whole(tmp_path: Path) -> None:
    progress = ProgressWriter(tmp_path, BudgetClock(60.0))
    lines = tmp_path / "progress.jsonl"
    lines.symlink_to("/dev/full")
    progress.write("training", 10.0, step=1, steps=10)
    lines.unlink()
    lines.write_text('{"step": 1, "ste')  # as much as there was room for
    for step in (2, 3):
        progress.write("training", 10.0, step=step, steps=10)
    assert [json.loads(line)["step"] for line in lines.read_text().splitlines()[1:]] == [2, 3]
