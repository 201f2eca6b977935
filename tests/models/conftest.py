from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from appliance.events import EventBus
from appliance.models.archive import export_version
from appliance.models.compiler import Compiler
from appliance.models.deploy import Deployments
from appliance.models.target import Target, cpu_target
from appliance.models.version import Version
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.models import toy
from tests.models.archives import Entries
from tests.models.builders import Box
from tests.training.job_folder import entry, run_worker, worker_log, write_job

Publish = Callable[..., Version]


@pytest.fixture(scope="session")
def whole_result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy.write_result(tmp_path_factory.mktemp("toy") / "result")


@pytest.fixture
def result(whole_result: Path, folder: DataFolder) -> Path:
    """A result where a job's lies."""
    target = folder.job(1) / "result"
    target.parent.mkdir()
    shutil.copytree(whole_result, target)
    return target


@pytest.fixture
def versions(db: Database, folder: DataFolder, bus: EventBus) -> Versions:
    return Versions(db, folder, bus)


@pytest.fixture
def publish(versions: Versions, whole_result: Path, folder: DataFolder) -> Publish:
    """Publish the toy, or another result."""
    count = 0

    def publish_one(result: Path | None = None, **changes: Any) -> Version:
        nonlocal count
        count += 1
        if result is None:
            result = folder.jobs / f"made-{count}" / "result"
            result.parent.mkdir()
            shutil.copytree(whole_result, result)
        facts: dict[str, Any] = {
            "job": None,
            "dataset_version": None,
            "parent": None,
            "stopped": "converged",
            "seconds": 12.5,
        }
        return versions.publish(result, **{**facts, **changes})

    return publish_one


@pytest.fixture
def deployments(db: Database, folder: DataFolder, versions: Versions, bus: EventBus) -> Deployments:
    return Deployments(db, folder, versions, bus)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result of a real, short training of the product's own trainer on synthetic sounds."""
    folder = tmp_path_factory.mktemp("trained")
    random = np.random.default_rng(0)
    clips = []
    for number in range(24):
        label = ("hum", "noise", "whistle")[number % 3]
        hz = {"hum": 120.0, "whistle": 2_500.0, "noise": 0.0}[label] * random.uniform(0.9, 1.1)
        sound = toy.tone(hz, 0.6) + random.normal(0, 0.05 if hz else 0.3, int(0.6 * toy.RATE))
        path = folder / f"{number}.flac"
        soundfile.write(path, sound.clip(-1, 1), toy.RATE, subtype="PCM_16")
        clips.append(entry(path, label, number, int(number >= 15)))
    job = write_job(folder / "job", clips, protocol="holdout", steps=40)
    assert run_worker(job) == 0, worker_log(job)
    return job / "result"


@pytest.fixture
def exported(publish: Publish, versions: Versions, tmp_path: Path) -> Path:
    publish(stopped="time limit", seconds=61.0, note="kitchen")
    file = tmp_path / "V001.earmark"
    export_version(versions, "V001", file)
    return file


@pytest.fixture
def entries(exported: Path) -> Entries:
    with zipfile.ZipFile(exported) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def untouched(versions: Versions, folder: DataFolder) -> Callable[[], None]:
    """Nothing came in: no version, no file outside, no half-unpacked folder."""

    def look() -> None:
        assert [version.name for version in versions.all()] == ["V001"]
        assert [path.name for path in folder.versions.iterdir()] == ["V001"]
        assert not (folder.root.parent / "evil").exists()

    return look


@pytest.fixture
def box(db: Database, folder: DataFolder, versions: Versions, bus: EventBus) -> Iterator[Box]:
    """The deployments of one life of the daemon on a device."""
    lives: list[Deployments] = []

    def start(target: Target | None = None, **how: Any) -> Deployments:
        compiler = Compiler(folder.engines, find_target=lambda: target or cpu_target(), **how)
        lives.append(Deployments(db, folder, versions, bus, compiler))
        return lives[-1]

    yield start
    for life in lives:
        life.close()
