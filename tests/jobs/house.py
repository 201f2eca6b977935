"""A queue and a runner on a data folder with ten labelled clips, and the pretended training.

As a program (`house.py DATA BEHAVIOUR`) it is the part of the daemon that runs jobs, to be
killed by tests. SIGUSR1 holds its training.
"""

from __future__ import annotations

import hashlib
import json
import logging
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from appliance.events import EventBus
from appliance.jobs.job import ENDED, Job
from appliance.jobs.queue import Queue
from appliance.jobs.runner import Runner
from appliance.library.datasets import Datasets
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.settings import Settings, TrainingSettings
from appliance.store.database import Database
from tests.waiting import until

FAKE_WORKER = Path(__file__).with_name("fake_worker.py")


class House:
    """Everything that a job needs, without the rest of the daemon."""

    def __init__(self, data: Path, behaviour: Path, *, grace_s: float = 1.0) -> None:
        self.folder = DataFolder(data)
        self.folder.create()
        self.behaviour_file = behaviour
        self.db = Database(self.folder.database)
        self.bus = EventBus()
        self.settings = Settings(training=TrainingSettings(threads=1, grace_s=grace_s))
        self.datasets = Datasets(self.db, self.folder)
        self.versions = Versions(self.db, self.folder, self.bus)
        self.queue = Queue(
            self.db, self.folder, self.datasets, self.versions, self.bus, self.settings
        )
        self.runner = Runner(
            self.queue,
            self.folder,
            self.settings,
            worker=(sys.executable, str(FAKE_WORKER), str(behaviour)),
        )

    def behave(self, **behaviour: Any) -> None:
        content = json.loads(self.behaviour_file.read_text())
        self.behaviour_file.write_text(json.dumps({"template": content["template"], **behaviour}))

    def limit(self, job: int, seconds: float) -> None:
        """A limit that no person may give, so that a test need not wait six minutes."""
        with self.db.write() as db:
            db.conn.execute("UPDATE jobs SET limit_s = ? WHERE id = ?", [seconds, job])

    def state(self, job: int, state: str) -> Job:
        return until(
            lambda: (found := self.queue.get(job)).state == state and found, f"job {job} {state}"
        )

    def end(self, job: int) -> Job:
        return until(
            lambda: (found := self.queue.get(job)).state in ENDED and found,
            f"the end of job {job}",
        )

    def step(self, job: int) -> Job:
        """Wait until its training has made a step, and a checkpoint with it."""
        return until(
            lambda: (
                (found := self.queue.get(job)).state == "running"
                and (found.progress or {}).get("step")
                and found
            ),
            f"the first step of job {job}",
        )

    def table_row(self, job: int) -> dict[str, Any]:
        return self.db.rows("SELECT * FROM jobs WHERE id = ?", [job])[0]

    def starts(self, job: int) -> list[dict[str, Any]]:
        return read_starts(self.folder, job)

    def states(self, job: int) -> list[str]:
        return [event["state"] for event in self.queue.events(job)]

    def close(self) -> None:
        self.runner.stop()
        self.db.close()


def read_starts(folder: DataFolder, job: int) -> list[dict[str, Any]]:
    file = folder.job(job) / "starts.txt"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def add_clips(db: Database, folder: DataFolder, **classes: int) -> None:
    """Labelled clips, each of a session of its own."""
    with db.write() as tx:
        for label, count in classes.items():
            tx.conn.execute(
                "INSERT OR IGNORE INTO labels (name, created_at) VALUES (?, 0)", [label]
            )
            for n in range(count):
                content = f"{label} {n} {time.time_ns()}".encode()
                sha256 = hashlib.sha256(content).hexdigest()
                path = folder.clip(sha256)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                session = tx.conn.execute(
                    "INSERT INTO sessions (key, kind, created_at) VALUES (?, 'import', 0)", [sha256]
                ).lastrowid
                tx.conn.execute(
                    "INSERT INTO clips (sha256, pcm_sha256, label_id, session_id, microphone, "
                    "source, duration_s, sample_rate, size, peak_dbfs, rms_dbfs, recorded_at, "
                    "boot_id, monotonic_ns, clock_synced, created_at) VALUES (?, ?, "
                    "(SELECT id FROM labels WHERE name = ?), ?, 'usb-1', 'import', 1.0, 16000, "
                    "10, -3, -20, 0, 'boot', 0, 1, 0)",
                    [sha256, sha256, label, session],
                )


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    house = House(Path(sys.argv[1]), Path(sys.argv[2]))
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGUSR1, lambda *_: house.runner.pause("too hot"))
    house.runner.start()
    ended.wait()
    house.close()


if __name__ == "__main__":
    main()
