"""Each check on facts that are wrong, and on a folder without a daemon."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from appliance.audio.capture_state import CaptureStatus
from appliance.care.backup import Manifest
from appliance.care.backup_place import make_box_id
from appliance.care.check import Check, report
from appliance.care.checks import backup, clock, daemon, database, disk, gpu, queue, temperature
from appliance.care.checks import microphones as microphones_check
from appliance.care.checks import tensorrt as tensorrt_check
from appliance.care.mask import Mask
from appliance.care.space import SpaceState, judge
from appliance.models.cuda import CudaError, Gpu
from appliance.paths import DataFolder
from appliance.recording.microphones import MicrophoneView
from appliance.settings import SpaceSettings
from firmware_hooks.thermal import read_zones, throttled


def microphone(state: str, **more: object) -> MicrophoneView:
    status = CaptureStatus(state, **more)  # type: ignore[arg-type]
    return MicrophoneView("usb-1", "yard", "usb-1", True, True, 0.0, None, None, 0.0, status)


def test_microphones() -> None:
    assert microphones_check.check([]).state == "not applicable"
    assert microphones_check.check([microphone("running")]).state == "ok"
    lost = microphones_check.check(
        [microphone("missing", detail="it is not plugged in", advice="plug it in"),
         microphone("running")]
    )  # fmt: skip
    assert (lost.state, lost.advice) == ("failing", "plug it in")
    assert "yard is missing" in lost.says
    assert microphones_check.check([microphone("silent")]).state == "warning"
    lossy = microphone("running", rate=16000, frames=1_600_000, lost_frames=16_000)
    assert microphones_check.check([lossy]).state == "warning"
    away = microphone("running", rate=16000, frames=160_000, away_s=600.0)
    assert microphones_check.check([away]).state == "ok", "another USB port would not help"
    paused = microphones_check.check([microphone("paused")], "privacy")
    assert (paused.state, "privacy" in paused.says) == ("ok", True)


def test_the_worst_check_is_the_state_and_what_does_not_apply_is_not_bad() -> None:
    ok, none = Check("a", "ok", ""), Check("b", "not applicable", "")
    warning, failing = Check("c", "warning", ""), Check("d", "failing", "")
    assert report([ok, none]).state == "ok"
    assert report([ok, warning]).state == "warning"
    assert report([warning, failing, ok]).state == "failing"


def make_database(folder: Path) -> Path:
    file = folder / "earmark.db"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, text TEXT)")
        connection.executemany(
            "INSERT INTO things (text) VALUES (?)", [(f"{n} " * 50,) for n in range(2000)]
        )
        connection.execute("CREATE INDEX by_text ON things(text)")
    connection.close()
    return file


def listed(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.iterdir()}


def test_a_damaged_database_is_found_without_touching_its_folder(tmp_path: Path) -> None:
    assert database.check_file(tmp_path / "earmark.db").state == "not applicable"
    file = make_database(tmp_path)
    before = listed(tmp_path)
    assert database.check_file(file).state == "ok"
    assert listed(tmp_path) == before
    with file.open("r+b") as damaged:
        damaged.seek(3 * 4096)
        damaged.write(b"\xff" * 20_000)
    found = database.check_file(file)
    assert found.state == "failing"
    assert "backup" in found.advice
    file.write_bytes(b"not a database at all" * 1000)
    assert database.check_file(file).state == "failing"


def test_what_a_killed_daemon_left_in_the_log_is_looked_at_too(tmp_path: Path) -> None:
    file = make_database(tmp_path)
    with sqlite3.connect(file) as alive:
        alive.execute("PRAGMA wal_autocheckpoint=0")
        alive.execute("DELETE FROM things WHERE id > 10")
        alive.commit()
        killed = tmp_path / "killed"
        killed.mkdir()
        for name in ("earmark.db", "earmark.db-wal"):
            (killed / name).write_bytes((tmp_path / name).read_bytes())
    alive.close()
    before = listed(killed)
    assert database.check_file(killed / "earmark.db").state == "ok"
    assert listed(killed) == before, "the doctor only looks"


def test_disk(tmp_path: Path) -> None:
    def look(free: int) -> Callable[[], SpaceState]:
        return lambda: judge(SpaceSettings(), free, 64_000_000_000)

    assert disk.check(tmp_path, look(64 << 29)).state == "ok"
    low = disk.check(tmp_path, look(400 << 20))
    assert low.state == "warning"
    assert "which is short: not kept now: history, " in low.says
    assert "clips of detections" in low.says
    assert disk.check(tmp_path, look(1 << 20)).state == "failing"
    assert disk.check(tmp_path / "gone", look(64 << 30)).state == "failing"


def test_a_gpu_that_is_there_and_cannot_be_used_fails(tmp_path: Path) -> None:
    assert gpu.check(tmp_path).state == "not applicable"
    assert tensorrt_check.check(tmp_path).state == "not applicable"
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvhost-gpu").touch()
    assert gpu.check(tmp_path, lambda: Gpu("Orin", "8.7", 8 << 30)).says.startswith("Orin")
    assert gpu.check(tmp_path, lambda: None).state == "failing"

    def broken() -> Gpu | None:
        raise CudaError("cudaGetDeviceCount", "cudaErrorMemoryAllocation", "out of memory")

    assert "memory" in gpu.check(tmp_path, broken).says
    assert tensorrt_check.check(tmp_path, lambda: "10.3.0").state == "ok"
    missing = tensorrt_check.check(tmp_path, lambda: None)
    assert (missing.state, "libnvinfer" in missing.advice) == ("warning", True)


def test_clock_and_backups(tmp_path: Path) -> None:
    assert clock.check(86_400.0, synced=False).state == "failing"
    assert clock.check(1.8e9, synced=False).state == "warning"
    assert clock.check(1.8e9, synced=True).state == "ok"
    box = DataFolder(tmp_path / "box")
    box.create()
    elsewhere = Path("/dev/shm") / f"earmark-test-{os.getpid()}"  # another disk
    assert backup.check(box, elsewhere).state == "warning"
    made = elsewhere / f"earmark-{make_box_id(box)}" / "000001-20261124-031700" / "manifest.json"
    made.parent.mkdir(parents=True)
    try:
        assert backup.check(box, elsewhere).state == "warning", "it was interrupted"
        at = 1.8e9  # as it says itself: a file that was copied is newer
        made.write_text(json.dumps(asdict(Manifest(2, "", "", "", at, "", 0, 0, 0, [], {}))))
        assert backup.check(box, elsewhere, at + 3600).state == "ok"
        assert backup.check(box, elsewhere, at + 8 * 86_400).state == "warning"
        shutil.copytree(elsewhere, box.backups)
        assert "own disk" in backup.check(box, box.backups, at + 3600).says
    finally:
        shutil.rmtree(elsewhere)


def zone(root: Path, kind: str, celsius: float, critical: float) -> None:
    folder = root / "sys/class/thermal/thermal_zone0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "type").write_text(kind)
    (folder / "temp").write_text(str(round(celsius * 1000)))
    (folder / "trip_point_0_type").write_text("critical")
    (folder / "trip_point_0_temp").write_text(str(round(critical * 1000)))


@pytest.mark.parametrize(
    ("celsius", "hot", "state"), [(50, False, "ok"), (92, True, "warning"), (101, True, "failing")]
)
def test_temperature(tmp_path: Path, celsius: float, hot: bool, state: str) -> None:
    zone(tmp_path, "cpu-thermal", celsius, 104.5)
    assert temperature.check(read_zones(tmp_path), throttled(tmp_path), hot).state == state


def test_a_computer_without_zones_has_no_temperature() -> None:
    assert temperature.check([], []).state == "not applicable"


def test_an_idle_queue_is_well() -> None:
    assert queue.check(None, 0, None).state == "ok"


def test_a_daemon_that_holds_the_folder_and_does_not_answer(tmp_path: Path) -> None:
    import fcntl
    import os

    lock = tmp_path / "daemon.lock"
    assert daemon.check(lock, "no daemon answers").state == "warning"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        found = daemon.check(lock, "no daemon answers")
    if found.state == "warning":
        pytest.skip("this kernel lists no locks in /proc/locks")
    assert found.state == "failing"
    assert str(os.getpid()) in found.says


def test_a_mask_leaves_no_name_and_no_secret() -> None:
    mask = Mask(["dog", "dog bark", "ünder/way", "background"], ["tokentokentoken"])
    text = (
        "PUT /api/v1/labels/%C3%BCnder%2Fway by x, Dog barks, DOG BARK, background dogma "
        "label 'gone' deleted, /api/v1/thresholds/gone Bearer tokentokentoken"
    )
    hidden = mask.text(text)
    for secret in ("nder", "Dog ", "BARK", "gone", "tokentoken"):
        assert secret not in hidden, hidden
    assert "dogma" in hidden
    assert "background" in hidden
    assert mask.value({"dog": [{"says": "a dog"}, 3]}) == {"label-1": [{"says": "a label-1"}, 3]}
