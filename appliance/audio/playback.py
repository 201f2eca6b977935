"""One sound at a time on the box's own speaker, in a child that ends when the next one comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from appliance.audio.children import end_child
from appliance.errors import Unavailable

COMMAND = (sys.executable, "-m", "appliance.audio.speaker")
STARTS_WITHIN_S = 1.5
"""A child that has not failed by then is playing."""


class Playback:
    """Thread-safe."""

    def __init__(self, command: Sequence[str] = COMMAND, speaker: str = "") -> None:
        """speaker: a part of its name; "" is the system's default."""
        self._speaker = speaker
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def play(self, file: Path, start_s: float = 0.0, end_s: float | None = None) -> None:
        """Play a clip's file, or the stretch of it between two seconds; whatever played before
        ends. Raises Unavailable: no speaker, busy."""
        order = {"path": str(file), "start_s": start_s, "end_s": end_s, "speaker": self._speaker}
        with self._lock:
            self._end()
            self._child = subprocess.Popen(
                [*self._command, json.dumps(order)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                # ALSA and PortAudio write pages of warnings about devices that are not there.
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
            try:
                status = self._child.wait(STARTS_WITHIN_S)
            except subprocess.TimeoutExpired:
                return
            said = self._last_words()
            if status != 0:
                raise Unavailable(
                    said.get("message", f"the speaker's child ended with status {status}"),
                    said.get("advice", "hear the clip by its link instead"),
                )

    def stop(self) -> None:
        """Be silent."""
        with self._lock:
            self._end()

    def _last_words(self) -> dict[str, str]:
        child, self._child = self._child, None
        if child is None or child.stdout is None:
            return {}
        with child.stdout as out:
            lines = out.read(65536).decode(errors="replace").splitlines()
        try:
            return dict(json.loads(lines[-1])) if lines else {}
        except ValueError:
            return {}

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        end_child(child, 1.0)
        if child.stdout is not None:
            child.stdout.close()
