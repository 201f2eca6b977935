"""Nearly the same sound is found, whatever was done to a copy; strangers are left alone."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from appliance.audio.fingerprint import compare, fingerprint
from appliance.audio.source import Samples
from appliance.care.fingerprints import Fingerprints
from appliance.events import EventBus
from appliance.library.clip import Clip
from appliance.library.clips import Clips
from appliance.library.datasets import Datasets
from appliance.library.filters import ClipFilter
from appliance.library.near_index import NearIndex
from appliance.paths import DataFolder
from appliance.store.database import Database

DATA = Path(os.environ.get("EARMARK_TEST_DATA", "../shared/data"))
ESC10, FSDD = sorted(DATA.glob("esc10/*/*.ogg")), sorted(DATA.glob("fsdd/recordings/*.wav"))
real_sound = pytest.mark.skipif(not (ESC10 and FSDD), reason="ESC-10 and FSDD are not here")

Sound = tuple[Samples, int]


def encoded(sound: Sound, **how: object) -> Sound:
    memory = io.BytesIO()
    with soundfile.SoundFile(memory, "w", sound[1], 1, **how) as file:
        file.write(sound[0])
    memory.seek(0)
    samples, rate = soundfile.read(memory, dtype="float32")
    return samples, rate


def as_mp3(sound: Sound) -> Sound:
    how = {"bitrate_mode": "CONSTANT", "compression_level": 0.6}
    return encoded(sound, format="MP3", subtype="MPEG_LAYER_III", **how)


def trimmed(sound: Sound) -> Sound:
    samples, rate = sound
    return samples[int(0.05 * len(samples)) + 211 : int(0.96 * len(samples))], rate


def quieter(sound: Sound) -> Sound:
    """By 12 dB, in 16 bits again."""
    rounded: Samples = np.round(sound[0] * 8192).astype(np.float32) / np.float32(32768)
    return rounded, sound[1]


COPIES: dict[str, Callable[[Sound], Sound]] = {
    "quieter": quieter,
    "trimmed": trimmed,
    "MP3": as_mp3,
    "Vorbis": lambda sound: encoded(sound, format="OGG", subtype="VORBIS", compression_level=0.6),
    "another rate": lambda sound: (soxr.resample(sound[0], sound[1], 11_025), 11_025),
    "trimmed, quieter MP3": lambda sound: as_mp3((trimmed(sound)[0] * 0.5, sound[1])),
}


def read(path: Path) -> Sound:
    samples, rate = soundfile.read(path, dtype="float32")
    return samples, rate


def store(clips: Clips, sound: Sound, label: str | None = None, **more: object) -> Clip:
    session = clips.new_session(None, "import")
    return clips.add_samples(*sound, source="import", session=session, label=label, **more)  # type: ignore[arg-type]


@real_sound
def test_copies_of_real_recordings_are_found_and_nothing_else(clips: Clips) -> None:
    chance = random.Random(5)
    originals = {}
    for path in [*chance.sample(ESC10, 7), *chance.sample(FSDD, 7)]:
        originals[store(clips, read(path)).id] = path
    for clip in clips.get_many(list(originals)):
        assert clip.near_duplicates == [], originals[clip.id]
    missed = []
    for identifier, path in originals.items():
        for name, copy in COPIES.items():
            clip = store(clips, copy(read(path)))
            strangers = set(clip.near_duplicates or ()) & originals.keys() - {identifier}
            assert not strangers, (path, name)
            if identifier not in (clip.near_duplicates or ()):
                missed.append((name, path.name))
            clips.delete(clip.id, "test")
    assert len(missed) <= 2, missed
    assert clips.ids(ClipFilter(duplicates=True)) == []


def test_steady_sounds_alone_make_no_copies() -> None:
    """What a fingerprint could fall for: the same tone, alarm or hum, recorded twice."""
    rate, noise = 16_000, np.random.default_rng(1)
    times = np.arange(4 * rate) / rate
    tone = np.sin(2 * np.pi * 1000 * times)
    alarm = np.sin(2 * np.pi * 520 * times) * ((times % 1 < 0.5) & (times % 4 < 3))
    hum = sum(np.sin(2 * np.pi * 50 * k * times + k) / k for k in range(1, 30))
    for sound in (tone, alarm, hum, 0 * times):
        for level in (0.0, 1e-4, 1e-2):
            heard = [0.3 * sound + level * noise.normal(size=len(times)) for _ in range(2)]
            one, two = (fingerprint(take.astype(np.float32), rate).words for take in heard)
            assert compare(one, two) is None
            # With a room behind it each take can be told.
            assert level < 1e-2 or compare(one, one) is not None
    silent = fingerprint(np.zeros(rate, np.float32), rate)
    assert compare(silent.words, silent.words) is None
    for length in (0, 1, 700):
        assert fingerprint(np.ones(length, np.float32), 44_100).words.dtype == np.uint32


def noise(seed: int, seconds: float = 2.0, rate: int = 16_000) -> Sound:
    samples = np.random.default_rng(seed).normal(scale=0.1, size=round(seconds * rate))
    return samples.astype(np.float32), rate


def louder(sound: Sound) -> Sound:
    return sound[0] * np.float32(1.7), sound[1]


def test_both_know_of_each_other_until_one_goes(clips: Clips) -> None:
    first = store(clips, noise(1), "pump")
    other = store(clips, noise(2), "pump")
    second = store(clips, trimmed(louder(noise(1))), "fan", filename="again.wav")
    assert second.near_duplicates == [first.id]
    assert clips.get(first.id).near_duplicates == [second.id]
    assert clips.get(other.id).near_duplicates == []
    assert clips.ids(ClipFilter(duplicates=True)) == [second.id, first.id]
    assert clips.ids(ClipFilter(duplicates=True, label="fan")) == [second.id]
    assert clips.ids(ClipFilter(duplicates=True, since=0)) == [second.id, first.id]
    [found] = clips.near.of(first.id)
    assert (found.clip, found.label, found.filename) == (second.id, "fan", "again.wav")
    assert found.similarity > 0.9
    assert found.lag_s == pytest.approx(0.05 * 2 + 211 / 16_000, abs=0.02)
    said = clips.near.contradictions([first.id, other.id])
    assert said == [f"clip {first.id} (pump) is nearly the same sound as clip {second.id} (fan)"]
    clips.delete(second.id, "test")
    assert clips.get(first.id).near_duplicates == []
    assert clips.ids(ClipFilter(duplicates=True)) == []


def test_a_part_is_found_but_not_a_cut(clips: Clips) -> None:
    """An excerpt that came from elsewhere leaks; one that a person cut here is known anyway."""
    samples, rate = noise(3, 20)
    whole = store(clips, (samples, rate))
    part = store(clips, (samples[5 * rate + 77 : 8 * rate], rate))
    assert part.near_duplicates == [whole.id]
    cut = clips.cut(whole.id, 11.0, 14.0, None, "test")
    again = clips.cut(whole.id, 11.2, 14.0, None, "test")
    assert cut.near_duplicates == again.near_duplicates == []


def test_an_undone_transaction_leaves_no_trace(clips: Clips, db: Database) -> None:
    def undone() -> None:
        with db.write():
            store(clips, noise(4))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    first = store(clips, louder(noise(4)))
    assert first.near_duplicates == []
    assert store(clips, trimmed(noise(4))).near_duplicates == [first.id]


def test_copies_never_stand_on_both_sides(clips: Clips, datasets: Datasets, db: Database) -> None:
    """Ten recordings of each class, most of them copied into sessions of their own."""
    copies = list(COPIES.values())
    pairs = []
    for number in range(20):
        label, sound = ("pump", "fan")[number % 2], noise(100 + number, 1.5)
        first = store(clips, sound, label)
        if number % 5:
            pairs.append((first.id, store(clips, copies[number % len(copies)](sound), label).id))
    datasets.publish("set")
    manifest = datasets.manifest("set")
    fold = {clip["id"]: clip["fold"] for clip in manifest["clips"]}
    group = {clip["id"]: clip["group"] for clip in manifest["clips"]}
    assert len(pairs) == 16
    assert all(fold[one] == fold[other] for one, other in pairs)
    assert all(group[one] == group[other] for one, other in pairs)
    assert manifest["optimistic"] == {}
    assert manifest["not_compared"] == 0
    assert len(set(group.values())) == 20
    # Without what is known of the copies, chance parts some of them: the test can fail.
    with db.write() as tx:
        tx.conn.execute("DELETE FROM near_duplicates")
    parted = {clip["id"]: clip["fold"] for clip in datasets.draft()["clips"]}
    assert any(parted[one] != parted[other] for one, other in pairs)


def test_a_library_older_than_fingerprints_catches_up(
    clips: Clips, db: Database, folder: DataFolder, bus: EventBus
) -> None:
    old = [store(clips, sound).id for sound in (noise(7), trimmed(noise(7)), noise(8))]
    damaged = store(clips, noise(9))
    with db.write() as tx:
        for table in ("near_duplicates", "fingerprints", "fingerprint_keys"):
            tx.conn.execute(f"DELETE FROM {table}")
        tx.conn.execute("UPDATE clips SET alike = NULL")
    clips.path(damaged).write_bytes(b"not a sound")
    assert clips.get(old[0]).near_duplicates is None
    assert clips.near.waiting(10) == [damaged.id, *reversed(old)]
    after_a_restart = Clips(db, folder, bus)
    newest = store(after_a_restart, louder(noise(8)))
    care = Fingerprints(after_a_restart, EventBus())
    while care.batch():
        pass
    assert [clip.near_duplicates for clip in clips.get_many([*old, newest.id])] == [
        [old[1]],
        [old[0]],
        [newest.id],
        [old[2]],
    ]
    assert clips.near.waiting(10) == [damaged.id]


def test_the_index_finds_what_was_put_in() -> None:
    chance = np.random.default_rng(0)
    index, truth = NearIndex(), dict[int, set[int]]()
    for clip in range(1, 400):
        keys = np.unique(chance.integers(1, 3000, size=chance.integers(0, 40), dtype=np.uint32))
        index.add(np.full(len(keys), clip, np.uint32), keys)
        truth[clip] = set(keys.tolist())
    probes = np.unique(chance.integers(1, 3000, size=200, dtype=np.uint32))
    hits = {clip: len(keys & set(probes.tolist())) for clip, keys in truth.items()}
    best = sorted((clip for clip in hits if hits[clip]), key=lambda clip: (-hits[clip], clip))
    assert index.find(probes, 50) == best[:50]
    assert index.find(np.zeros(0, np.uint32), 50) == []
