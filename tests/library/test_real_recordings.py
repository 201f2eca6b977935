"""Real sounds from file to dataset version: ESC-10, spoken digits, and a set out of balance."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.audio.decode import Decoder
from appliance.audio.flac import read_flac
from appliance.library.audit import audit
from appliance.library.clips import Added, Clips, NewPiece
from appliance.library.datasets import Datasets
from appliance.library.plan import CROSS_VALIDATION
from appliance.library.readiness import readiness
from appliance.paths import DataFolder
from appliance.store.database import Database


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    made = Decoder(2)
    made.start()
    yield made
    made.close()


def bring_in(
    decoder: Decoder,
    clips: Clips,
    folder: DataFolder,
    files: list[tuple[Path, str, str]],
    piece_seconds: float = 60.0,
) -> list[Added]:
    """Each file with its label and session, as an upload would: one commit for all."""
    pieces = [
        NewPiece(
            piece,
            source="import",
            session=clips.session_for(session, "import"),
            label=label,
            filename=file.name,
        )
        for file, label, session in files
        for piece in decoder.to_flac(file, folder.incoming, piece_seconds=piece_seconds)
    ]
    return clips.add_pieces(pieces)


def esc10(test_data: Path, classes: dict[str, int]) -> list[tuple[Path, str, str]]:
    chosen = []
    for name, count in classes.items():
        [place] = (test_data / "esc10").glob(f"* - {name}")
        for file in sorted(place.glob("*.ogg"))[:count]:
            found = re.match(r"^\d-(\d+)", file.name)
            assert found
            chosen.append((file, name, f"esc10:{found[1]}"))
    return chosen


def test_esc10(
    test_data: Path,
    decoder: Decoder,
    clips: Clips,
    folder: DataFolder,
    datasets: Datasets,
    db: Database,
) -> None:
    files = esc10(test_data, {"Dog bark": 8, "Rain": 8, "Rooster": 8})
    added = bring_in(decoder, clips, folder, files)
    assert all(one.new for one in added)
    for one in added[::6]:
        samples, rate = read_flac(clips.path(one.clip))
        assert (rate, len(samples) / rate) == (one.clip.sample_rate, one.clip.duration_s)
        assert 4 < one.clip.duration_s < 6
        assert abs(samples).max() > 0.01

    # Once more, as after an interruption: nothing new, nothing lost.
    again = bring_in(decoder, clips, folder, files)
    assert [(one.clip.id, one.new) for one in again] == [(one.clip.id, False) for one in added]
    assert readiness(db).ready

    manifest = datasets.manifest(datasets.publish("esc", "ann").name)
    assert manifest["protocol"] == CROSS_VALIDATION
    assert manifest["counts"] == {"Dog bark": 8, "Rain": 8, "Rooster": 8}
    folds: dict[str, set[int]] = {}
    for clip in manifest["clips"]:
        folds.setdefault(clip["session_key"], set()).add(clip["fold"])
    assert max(len(sides) for sides in folds.values()) == 1
    assert len(folds) < len(added), "some of these clips share their source recording"
    assert audit(db, folder) == []


def test_spoken_digits_by_speaker(
    test_data: Path, decoder: Decoder, clips: Clips, folder: DataFolder, datasets: Datasets
) -> None:
    with (test_data / "fsdd" / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] in ("0", "1")]
    chosen: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        chosen.setdefault((row["speaker"], row["label"]), []).append(row)
    files = [
        (test_data / "fsdd" / row["file"], row["label"], row["speaker"])
        for some in chosen.values()
        for row in some[:3]
    ]
    added = bring_in(decoder, clips, folder, files)
    assert {one.clip.sample_rate for one in added} == {8000}
    manifest = datasets.manifest(datasets.publish(None, "ann").name)
    assert (manifest["folds"], manifest["optimistic"]) == (5, {})
    sides: dict[str, set[int]] = {}
    for clip in manifest["clips"]:
        sides.setdefault(clip["session_key"], set()).add(clip["fold"])
    assert len(sides) == 6
    assert all(len(folds) == 1 for folds in sides.values())


def test_a_set_out_of_balance(
    test_data: Path, decoder: Decoder, clips: Clips, folder: DataFolder, db: Database
) -> None:
    """Many short pieces of one class, few of another, and a third that is not ready."""
    bring_in(decoder, clips, folder, esc10(test_data, {"Rain": 12}), piece_seconds=0.5)
    bring_in(decoder, clips, folder, esc10(test_data, {"Rooster": 5, "Dog bark": 2}))
    state = readiness(db)
    counts = {one.label: one.clips for one in state.classes}
    assert counts["Rain"] >= 100
    assert (counts["Rooster"], counts["Dog bark"]) == (5, 2)
    assert state.reasons == ["Dog bark: 2 of 5 clips"]
    assert any("Rain has" in warning for warning in state.warnings)

    # A file of five seconds that was cut by half seconds says where each piece comes from.
    one = clips.get(2)
    assert (one.start_s, one.duration_s) == (0.5, 0.5)

    ids = [clip.id for clip in clips.get_many(range(1, 1000)) if clip.label == "Dog bark"]
    clips.set_label(ids, "Rooster", "ann")
    manifest = Datasets(db, folder).draft()
    assert manifest["protocol"] == CROSS_VALIDATION
    rooster = [clip["fold"] for clip in manifest["clips"] if clip["label"] == "Rooster"]
    assert len(set(rooster)) > 1
