"""What listening costs, and how many microphones one box can listen to at once.

    .venv/bin/python benchmarks/listening.py [--seconds 30] [--most 64] [--json]

A network of the size that the product trains is trained in a few seconds on four ESC-10 classes
by the product's own trainer, published and deployed. Then a real daemon listens to replays at
real time, 48 kHz, one after another and then many at once:

- the share of one core that the daemon and its capture children take for one microphone
  (goal: at most 5 %), beside what the same daemon takes without one;
- its resident memory, against a process that has merely imported torch (goal: at most half);
- the largest number of microphones, doubling, for which no window was missed, no frame lost, and
  the 99th percentile of the time from a window's last sample to its scores, and from the last
  sample of the window that decided to the event (its durable row included), is at most 150 ms
  (goal: 32). The delay from the sound's onset is shown beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from appliance.client import Client, ClientError
from appliance.events import EventBus
from appliance.models.deploy import Deployments
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.store.database import Database

REPOSITORY = Path(__file__).resolve().parent.parent
CLASSES = ("Dog bark", "Rain", "Rooster", "Crackling fire")
CLIPS_A_CLASS = 6
RATE = 48_000
GOAL_SHARE = 0.05
GOAL_MEMORY = 0.5
GOAL_LAG_MS = 150.0
GOAL_MICROPHONES = 32
SETTLE_S = 8.0
TICKS = os.sysconf("SC_CLK_TCK")


def recordings(data: Path) -> dict[str, list[Path]]:
    """A few clips of each class of ESC-10."""
    found = {}
    for folder in sorted((data / "esc10").iterdir()):
        label = folder.name.partition(" - ")[2]
        if label in CLASSES:
            found[label.lower()] = sorted(folder.glob("*.ogg"))[:CLIPS_A_CLASS]
    return found


def mono(file: Path, rate: int) -> np.ndarray:
    samples, native = soundfile.read(file, dtype="float32", always_2d=True)
    return soxr.resample(samples.mean(axis=1), native, rate).astype(np.float32)


def train(sounds: dict[str, list[Path]], folder: Path) -> Path:
    """A job of a few steps through the product's trainer; returns its result folder."""
    clips: list[dict[str, Any]] = []
    (folder / "clips").mkdir(parents=True)
    for label, files in sounds.items():
        for number, file in enumerate(files):
            samples = mono(file, 44_100)
            path = folder / "clips" / f"{file.stem}.flac"
            soundfile.write(path, samples.clip(-1, 1), 44_100, subtype="PCM_16")
            clips.append(
                {
                    "id": len(clips) + 1,
                    "path": str(path),
                    "label": label,
                    "session": len(clips) + 1,
                    "microphone": None,
                    "duration_s": len(samples) / 44_100,
                    "fold": int(number == 0),
                }
            )
    manifest = {
        "format": 1,
        "job": 1,
        "seed": 0,
        "threads": 2,
        "budget_s": 600.0,
        "used_s": 0.0,
        "sample_rate": 16_000,
        "classes": sorted(sounds),
        "protocol": "holdout",
        "clips": clips,
        "initial_weights": None,
        "steps": 30,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    subprocess.run(
        [sys.executable, "-m", "appliance.training.worker", str(folder)],
        check=True,
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return folder / "result"


def prepare(root: Path, data: Path) -> dict[str, Any]:
    """A data folder with the deployed version; returns the version's card."""
    folder = DataFolder(root)
    folder.create()
    result = train(recordings(data), folder.job(1))
    db, bus = Database(folder.database), EventBus()
    versions = Versions(db, folder, bus)
    made = versions.publish(
        result, job=None, dataset_version=None, parent=None, stopped="converged", seconds=0.0
    )
    deployments = Deployments(db, folder, versions, bus)
    deployments.deploy(made.name)
    card = versions.card(made.name)
    deployments.close()
    db.close()
    return card


def write_scene(file: Path, sounds: dict[str, list[Path]]) -> None:
    """A minute of a quiet room in which something is to be heard every ten seconds."""
    rng = np.random.default_rng(0)
    scene = (0.002 * rng.standard_normal(60 * RATE)).astype(np.float32)
    played = [files[-1] for files in sounds.values()]
    for number in range(6):
        sound = mono(played[number % len(played)], RATE)[: 3 * RATE]
        at = (3 + 10 * number) * RATE
        scene[at : at + len(sound)] += 0.5 * sound
    soundfile.write(file, scene.clip(-1, 1), RATE)


@contextlib.contextmanager
def daemon(root: Path) -> Iterator[tuple[int, Client]]:
    """A daemon on that data folder: its process id and a client."""
    with (root.parent / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.cli", "--data", str(root), "serve"],
            cwd=REPOSITORY,
            env={**os.environ, "EARMARK_HTTP_PORT": "0"},
            stdout=log,
            stderr=log,
        )
    try:
        yield process.pid, answering(root)
    finally:
        process.terminate()
        process.wait(60)


def answering(root: Path) -> Client:
    """A client, once the daemon answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            client = Client.find(data=root)
            client.get("/status")
            return client
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def tree(pid: int) -> list[int]:
    """A process and its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for member in found:
        found += parents.get(member, [])
    return found


def cpu_seconds(pid: int) -> dict[str, float]:
    """User and system time so far: of the daemon, and of its children together."""
    spent = {"daemon": 0.0, "children": 0.0}
    for member in tree(pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            kind = "daemon" if member == pid else "children"
            spent[kind] += (int(fields[11]) + int(fields[12])) / TICKS
    return spent


def share(pid: int, seconds: float) -> dict[str, float]:
    """Of one core, over so many seconds."""
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(seconds)
    after, lasted = cpu_seconds(pid), time.monotonic() - began
    return {kind: (after[kind] - before[kind]) / lasted for kind in before}


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


def torch_mb() -> float:
    """Resident memory of a process that has merely imported torch."""
    code = "import torch; print(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout.partition("VmRSS:")[2].split()[0]) / 1000


def add_microphones(client: Client, file: Path, count: int) -> None:
    for number in range(len(client.get("/microphones")["items"]), count):
        client.post(
            "/microphones", {"source": f"replay:{file}?loop=1", "name": f"replay {number + 1}"}
        )


def listen(client: Client, count: int, seconds: float) -> dict[str, Any]:
    """How listening to so many microphones keeps up."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        heard = client.get("/hearing")
        if len(heard) == count and all(one["windows"] > 0 for one in heard.values()):
            break
        time.sleep(0.5)
    time.sleep(SETTLE_S)
    before = client.get("/hearing")
    began = time.time()
    lags: list[float] = []
    ended = time.monotonic() + seconds
    while time.monotonic() < ended:
        # Windows follow one another 0.3 s apart or more: each is looked at about once.
        time.sleep(0.3)
        lags += [one["lag_ms"] for one in client.get("/hearing").values()]
    after = client.get("/hearing")

    events = [one for one in client.pages("/detections", since=began) if one["ended_at"]]
    delays = [one["delay_ms"] for one in events]
    onsets = [one["onset_delay_ms"] for one in events]

    def grown(name: str) -> int:
        return sum(one[name] - before[key][name] for key, one in after.items() if key in before)

    return {
        "microphones": count,
        "windows": grown("windows"),
        "missed": grown("missed"),
        "resets": grown("resets"),
        "lag_median_ms": round(float(np.median(lags)), 1),
        "lag_p99_ms": round(float(np.percentile(lags, 99)), 1),
        "events": len(events),
        "event_p99_ms": round(float(np.percentile(delays, 99)), 1) if events else None,
        "onset_median_ms": round(float(np.median(onsets)), 1) if events else None,
    }


def keeps_up(figures: dict[str, Any]) -> bool:
    late = max(figures["lag_p99_ms"], figures["event_p99_ms"] or 0.0) > GOAL_LAG_MS
    return not (figures["missed"] or figures["resets"] or late)


def measure(data: Path, seconds: float, most: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "box"
        card = prepare(root, data)
        scene = Path(temporary) / "scene.flac"
        write_scene(scene, recordings(data))
        steps = []
        with daemon(root) as (pid, client):
            time.sleep(SETTLE_S)
            idle = share(pid, seconds / 2)
            add_microphones(client, scene, 1)
            steps.append(listen(client, 1, 2.0))
            one = share(pid, seconds)
            memory = resident_mb(pid)
            steps[0] = listen(client, 1, seconds / 2)
            count = 2
            while count <= most and keeps_up(steps[-1]):
                add_microphones(client, scene, count)
                steps.append(listen(client, count, max(seconds / 2, 20.0)))
                steps[-1]["share_of_a_core"] = round(sum(share(pid, 5.0).values()), 3)
                count *= 2
    torch = torch_mb()
    total = sum(one.values())
    good = [step["microphones"] for step in steps if keeps_up(step)]
    return {
        "window_s": card["window_samples"] / card["sample_rate"],
        "parameters": card["parameters"],
        "cores": os.cpu_count(),
        "idle_share": round(sum(idle.values()), 4),
        "share": round(total, 4),
        "share_daemon": round(one["daemon"], 4),
        "share_capture_child": round(one["children"], 4),
        "share_goal": GOAL_SHARE,
        "memory_mb": round(memory, 1),
        "torch_mb": round(torch, 1),
        "memory_ratio": round(memory / torch, 3),
        "memory_goal": GOAL_MEMORY,
        "steps": steps,
        "largest": max(good, default=0),
        "met": total <= GOAL_SHARE
        and memory <= GOAL_MEMORY * torch
        and max(good, default=0) >= min(GOAL_MICROPHONES, most),
    }


def show(figures: dict[str, Any]) -> None:
    print(
        f"network: {figures['parameters']} parameters, window {figures['window_s']:.2f} s; "
        f"{figures['cores']} cores"
    )
    print(
        f"one microphone: {figures['share']:.1%} of a core "
        f"(daemon {figures['share_daemon']:.1%}, capture {figures['share_capture_child']:.1%}; "
        f"without one {figures['idle_share']:.1%}); goal {figures['share_goal']:.0%}"
    )
    print(
        f"memory: {figures['memory_mb']:.0f} MB, {figures['memory_ratio']:.2f} of a process that "
        f"imported torch ({figures['torch_mb']:.0f} MB); goal {figures['memory_goal']:g}"
    )
    for step in figures["steps"]:
        core = f", {step['share_of_a_core']:.0%} of a core" if "share_of_a_core" in step else ""
        print(
            f"{step['microphones']:4d} microphones: {step['windows']} windows, "
            f"{step['missed']} missed, {step['resets']} resets, window to scores "
            f"{step['lag_median_ms']:.0f} ms median, {step['lag_p99_ms']:.0f} ms p99{core}"
        )
        if step["events"]:
            print(
                f"     {step['events']} events: {step['event_p99_ms']:.0f} ms p99 from the "
                f"deciding sample, {step['onset_median_ms']:.0f} ms median from the onset"
            )
    print(f"largest number at real time: {figures['largest']}")
    print("goals met" if figures["met"] else "goals NOT met")


def main() -> int:
    parser = argparse.ArgumentParser(description="What listening costs.")
    parser.add_argument("--seconds", type=float, default=30.0, help="of measuring one microphone")
    parser.add_argument("--most", type=int, default=64, help="most microphones tried")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    data = os.environ.get("EARMARK_TEST_DATA") or REPOSITORY.parent / "shared" / "data"
    figures = measure(Path(data), given.seconds, given.most)
    if given.json:
        print(json.dumps(figures))
    else:
        show(figures)
    return 0 if figures["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
