"""The child that hears for a comparison: started with the lowest priority, followed, stopped."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.audio.children import end_child
from appliance.errors import Conflict, EngineError

NICE = 19
MODULE = "appliance.gate.child"
# While listening is late the child stands still for so long, then tries again.
STILL_S = 1.0
# After the child's own limit: it is ended by force.
GRACE_S = 60.0
_GRACE_END_S = 2.0
_LAST_WORDS = 2000


class HearingChild:
    """`run` once; `cancel` from any thread."""

    def __init__(self, folder: Path, lagging: Callable[[], bool]) -> None:
        """folder: where the manifest may lie meanwhile."""
        self._folder = folder
        self._lagging = lagging
        self._cancelled = threading.Event()

    def run(
        self, manifest: dict[str, Any], on_progress: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        """The child's result. Raises EngineError when it fails, Conflict when it was cancelled."""
        with tempfile.TemporaryDirectory(prefix="compare-", dir=self._folder) as folder:
            file = Path(folder) / "manifest.json"
            file.write_text(json.dumps(manifest))
            errors = Path(folder) / "errors"
            with errors.open("wb") as error_file:
                process = self._start(file, error_file)
            watch = threading.Thread(
                target=self._watch, args=(process, manifest["limit_s"] + GRACE_S), daemon=True
            )
            watch.start()
            result = None
            assert process.stdout is not None
            with process.stdout:
                for line in process.stdout:
                    said = json.loads(line)
                    if "progress" in said:
                        on_progress(said["progress"])
                    else:
                        result = said["result"]
            process.wait()
            watch.join()
            if self._cancelled.is_set():
                raise Conflict("the comparison was cancelled", "start it again when you like")
            if result is None or process.returncode != 0:
                words = errors.read_bytes()[-_LAST_WORDS:].decode(errors="replace").strip()
                last = words.splitlines()[-1] if words else f"exit status {process.returncode}"
                raise EngineError(
                    f"the comparison failed: {last}", "see the daemon's log, or deploy with --force"
                )
            answer: dict[str, Any] = result
            return answer

    def cancel(self) -> None:
        """End it soon; `run` raises Conflict then."""
        self._cancelled.set()

    @property
    def cancelled(self) -> bool:
        return self._cancelled.is_set()

    def _start(self, manifest: Path, errors: Any) -> subprocess.Popen[bytes]:
        gate, opened = os.pipe()
        try:
            command = [sys.executable, "-m", MODULE, str(manifest)]
            launch = [sys.executable, "-m", "appliance.jobs.launch"]
            process = subprocess.Popen(
                [*launch, str(gate), str(os.getpid()), str(NICE), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                pass_fds=(gate,),
                start_new_session=True,
            )
            os.write(opened, b"g")
        finally:
            os.close(gate)
            os.close(opened)
        return process

    def _watch(self, process: subprocess.Popen[bytes], limit_s: float) -> None:
        """Lets the child stand still while listening is late; ends it when it is time."""
        deadline = time.monotonic() + limit_s
        while process.poll() is None:
            if self._cancelled.is_set() or time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                end_child(process, _GRACE_END_S)
                return
            if self._lagging():
                process.send_signal(signal.SIGSTOP)
                self._cancelled.wait(STILL_S)
                process.send_signal(signal.SIGCONT)
            self._cancelled.wait(0.1)
