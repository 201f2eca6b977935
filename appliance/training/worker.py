"""The training child: `python -m appliance.training.worker JOB_FOLDER [--salvage]`.

Reads manifest.json, writes plan.json, progress.jsonl, checkpoints/ and at the end result/ (exit
status 0) or error.json (exit status 1). SIGTERM: finish now with what there is. SIGSTOP and
SIGCONT: a pause, which costs no budget. With `--salvage` nothing is trained: the newest good
checkpoint becomes the result.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from appliance.errors import TrainingError
from appliance.training.clock import BudgetClock
from appliance.training.manifest import read_manifest

log = logging.getLogger(__name__)

OUT_OF_MEMORY_ADVICE = (
    "close other programs, or train with fewer or shorter clips; "
    "on a Jetson, see what else uses the GPU with tegrastats"
)


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 when result/ is there."""
    parser = argparse.ArgumentParser(prog="appliance.training.worker", description=__doc__)
    parser.add_argument("folder", type=Path, help="the job's folder, with its manifest.json")
    parser.add_argument("--salvage", action="store_true", help="no training: use the checkpoint")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    folder: Path = options.folder.resolve()
    try:
        (folder / "error.json").unlink(missing_ok=True)  # of an earlier attempt
        manifest = read_manifest(folder)
        budget = BudgetClock(manifest.budget_s, manifest.used_s)
        budget.install()
        if not (folder / "result").exists():
            # torch takes seconds to import: a signal that comes meanwhile must not be lost.
            from appliance.training.run import Run

            run = Run(folder, manifest, budget, on_cpu=options.salvage)
            run.salvage() if options.salvage else run.execute()
    except Exception as error:
        log.exception("training ended badly")
        _write_error(folder, named(error))
        return 1
    return 0


def named(error: BaseException) -> TrainingError:
    """The end of a job by its name."""
    if isinstance(error, TrainingError):
        return error
    if is_out_of_memory(error):
        return TrainingError("out of memory", str(error) or "no memory left", OUT_OF_MEMORY_ADVICE)
    return TrainingError(
        "crashed", f"{type(error).__name__}: {error}", "see worker.log in the job's folder"
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: on the CPU, on a GPU, or on Tegra, where it looks like an assert."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error)
    return isinstance(error, (RuntimeError, OSError)) and (
        "NVML_SUCCESS == r" in text
        or "out of memory" in text.lower()
        or "can't allocate memory" in text
        or "not enough memory" in text.lower()
    )


def _write_error(folder: Path, error: TrainingError) -> None:
    content = {"reason": error.reason, "detail": error.message, "advice": error.advice}
    temporary = folder / ".error.tmp"
    temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    temporary.rename(folder / "error.json")


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    # After an out of memory error the runtime's own threads and the GPU's state cannot be relied
    # on to end, and nothing is left to be done.
    os._exit(status)
