"""A box with a history and a gate, and versions that hear tones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.gate.comparisons import Comparison, Comparisons
from appliance.gate.gate import Gate
from appliance.library.datasets import Datasets
from appliance.paths import DataFolder
from appliance.recording.history import History
from appliance.settings import Settings
from tests.live.conftest import Box, until
from tests.live.tones import scene

RATE = 16_000


class GateBox(Box):
    def __init__(self, folder: DataFolder, settings: Settings | None = None) -> None:
        super().__init__(folder, settings or Settings())
        self.history = History(self.microphones, self.clips, folder, self.settings, self.bus)
        self.history.start()
        self.datasets = Datasets(self.db, folder)
        self.gate = Gate(
            Comparisons(self.db),
            self.versions,
            self.deployments,
            self.datasets,
            self.clips,
            self.detections,
            self.thresholds,
            self.history,
            folder,
            self.settings,
            self.bus,
        )
        self.gate.start()

    def close(self) -> None:
        self.gate.stop()
        self.history.stop()
        super().close()

    def add(self, samples: np.ndarray, label: str | None, session: str) -> int:
        return self.clips.add_samples(
            samples.astype(np.float32),
            RATE,
            source="import",
            session=self.clips.session_for(session, "import"),
            label=label,
        ).id

    def hear(self, tmp_path: Path, seconds: float, sounds: list[tuple[float, float, float]]) -> str:
        """Play a scene at four times its speed, until its history is kept; the microphone."""
        file = tmp_path / f"scene{len(self.microphones.all())}.wav"
        soundfile.write(file, scene(seconds, sounds), RATE)
        identifier = self.replay(file, name=file.stem)
        until(lambda: self.microphones.get(file.stem).status.state == "ended", "the end")
        until(lambda: all(d.clip and d.ended_at for d in self.heard()), "clips and ends")
        self.history.flush()
        return identifier

    def deploy_by_gate(self, version: str, *, force: bool = False) -> Comparison:
        """Through the gate, to its end; raises what it was refused for."""
        _, done = self.gate.deploy(version, "fp32", "anna", force=force)
        return done.result(60)


@pytest.fixture
def box(folder: DataFolder) -> Iterator[GateBox]:
    made = GateBox(folder)
    yield made
    made.close()


def tone(hz: float, seed: int = 0) -> np.ndarray:
    """A second of it over quiet noise of its own, or each would be a near copy of the others."""
    return scene(1.0, [(0.0, 1.0, hz)], seed=1000 + seed)
