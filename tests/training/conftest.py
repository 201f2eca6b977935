"""Small real sets to train on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.training.job_folder import Clip, as_flac, entry


@pytest.fixture(scope="session")
def flac_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def esc10(test_data: Path, flac_folder: Path) -> list[Clip]:
    """Four classes of ESC-10 with 8 clips each, in two of its folds (4 clips a class and fold)."""
    clips = []
    for folder in sorted((test_data / "esc10").iterdir()):
        label = folder.name.partition(" - ")[2]
        if label not in ("Dog bark", "Rain", "Clock tick", "Rooster"):
            continue
        for fold in (1, 2):
            for file in sorted(folder.glob(f"{fold}-*.ogg"))[:4]:
                match = re.match(r"\d-(\d+)", file.stem)
                assert match is not None
                path = as_flac(file, flac_folder)
                clips.append(entry(path, label, int(match[1]), fold - 1))
    return clips


@pytest.fixture(scope="session")
def digits(test_data: Path, flac_folder: Path) -> list[Clip]:
    """Three spoken digits of FSDD, under half a second each at 8 kHz: fold 1 is one speaker."""
    clips = []
    for digit in ("0", "3", "7"):
        for session, speaker in enumerate(("jackson", "nicolas", "theo", "yweweler", "george")):
            for take in range(8):
                source = test_data / "fsdd" / "recordings" / f"{digit}_{speaker}_{take}.wav"
                path = as_flac(source, flac_folder)
                clips.append(entry(path, digit, session, int(speaker == "george")))
    return clips
