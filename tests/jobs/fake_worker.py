"""A training that only pretends, under the contract of the real one: manifest in, progress,
checkpoints and a result out; SIGTERM ends it with what it has; `--salvage` makes a result of
the newest checkpoint.

    fake_worker.py BEHAVIOUR.json JOB_FOLDER [--salvage]

Behaviour: template (a whole result to copy), steps, step_s, and what goes wrong: crash_at,
kill_at, error_at with error, ignore_term, silent (no progress), no_result, damage, salvage_fails.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any


class Training:
    def __init__(self, behaviour: dict[str, Any], folder: Path) -> None:
        self.behaviour = behaviour
        self.folder = folder
        self.manifest = json.loads((folder / "manifest.json").read_text())
        self.begun = time.clock_gettime(time.CLOCK_BOOTTIME)
        self.told = False
        checkpoints = sorted((folder / "checkpoints").glob("[0-9]*"))
        self.step = int(checkpoints[-1].name) if checkpoints else 0

    @property
    def elapsed(self) -> float:
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        return float(self.manifest["used_s"] + now - self.begun)

    def on_terminate(self, _number: int, _frame: object) -> None:
        self.told = True

    def note(self, what: str) -> None:
        """For the tests: who began, from which step, with which budget."""
        with (self.folder / "starts.txt").open("a") as file:
            used = self.manifest["used_s"]
            file.write(json.dumps({"what": what, "step": self.step, "used_s": used}) + "\n")

    def run(self) -> int:
        behaviour = self.behaviour
        signal.signal(
            signal.SIGTERM,
            signal.SIG_IGN if behaviour.get("ignore_term") else self.on_terminate,
        )
        self.note("train")
        steps = behaviour.get("steps", 4)
        (self.folder / "plan.json").write_text(
            json.dumps({"steps": steps, "seconds": 1.5, "batch": 16})
        )
        while self.step < steps:
            if self.told:
                self.result("cancelled")
                return 0
            if self.elapsed >= self.manifest["budget_s"] and not behaviour.get("ignore_term"):
                self.result("time limit")
                return 0
            time.sleep(behaviour.get("step_s", 0.05))
            self.step += 1
            self.progress(steps)
            self.checkpoint()
            if self.step == behaviour.get("crash_at"):
                raise RuntimeError("an invented crash")
            if self.step == behaviour.get("kill_at"):
                os.kill(os.getpid(), signal.SIGKILL)
            if self.step == behaviour.get("error_at"):
                (self.folder / "error.json").write_text(json.dumps(behaviour["error"]))
                return 1
        if behaviour.get("no_result"):
            return 0
        self.result("converged")
        if behaviour.get("damage"):
            with (self.folder / "result" / "model.onnx").open("ab") as file:
                file.write(b"x")
        return int(behaviour.get("status", 0))

    def progress(self, steps: int) -> None:
        if self.behaviour.get("silent"):
            return
        line = {
            "t": time.time(),
            "elapsed_s": self.elapsed,
            "progress": self.step / steps,
            "eta_s": (steps - self.step) * 0.05,
            "phase": "training",
            "step": self.step,
            "steps": steps,
            "loss": 1 / self.step,
            "accuracy": None,
            "learning_rate": 0.004,
        }
        with (self.folder / "progress.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def checkpoint(self) -> None:
        if self.behaviour.get("no_checkpoints"):
            return
        target = self.folder / "checkpoints" / f"{self.step:06d}"
        target.mkdir(parents=True, exist_ok=True)
        for old in sorted(target.parent.iterdir())[:-2]:
            shutil.rmtree(old)

    def result(self, stopped: str) -> None:
        new = self.folder / "result.new"
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(self.behaviour["template"], new)
        content = json.loads((new / "result.json").read_text())
        (new / "result.json").write_text(json.dumps({**content, "stopped": stopped}))
        new.rename(self.folder / "result")


def main() -> int:
    behaviour = json.loads(Path(sys.argv[1]).read_text())
    training = Training(behaviour, Path(sys.argv[2]))
    if "--salvage" in sys.argv:
        training.note("salvage")
        time.sleep(behaviour.get("salvage_s", 0))
        if behaviour.get("salvage_fails"):
            return 1
        training.result("cancelled")
        return 0
    return training.run()


if __name__ == "__main__":
    sys.exit(main())
