from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.events import EventBus
from appliance.models.deploy import Deployments
from appliance.models.version import Version
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.models import toy

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
