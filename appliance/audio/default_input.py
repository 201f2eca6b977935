"""The sound server's default input, asked for in the background: a server may hang."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable

from appliance.audio.devices import Device
from appliance.units import human_duration

log = logging.getLogger(__name__)

PATIENCE_S = 2.0
"""Whoever asks waits so long, then gets the last answer."""
_HANGS_S = 15.0


class DefaultInput:
    """Thread-safe. One question at a time is under way; whoever asks meanwhile waits for it too."""

    def __init__(
        self, ask: Callable[[], Device | None] | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        self._ask = ask or ask_portaudio
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._under_way: threading.Event | None = None
        self._hangs = False
        self._last: Device | None = None
        self._answered: float | None = None

    def look(self) -> tuple[Device | None, str]:
        """The default input, None where there is none; and in words why that is not known now:
        it is the last one that was seen, then."""
        with self._lock:
            done = self._under_way
            if done is None:
                done = self._under_way = threading.Event()
                threading.Thread(
                    target=self._look, args=(done,), name="default input", daemon=True
                ).start()
        came = done.wait(self._patience_s)
        with self._lock:
            if came and not self._hangs:
                return self._last, ""
            return self._last, self._why()

    def _look(self, done: threading.Event) -> None:
        found, hangs = None, False
        try:
            found = self._ask()
        except TimeoutError as error:
            hangs = True
            log.warning("%s", error)
        finally:
            with self._lock:
                self._under_way, self._hangs = None, hangs
                if not hangs:
                    self._last, self._answered = found, time.monotonic()
            done.set()

    def _why(self) -> str:
        if self._answered is None:
            return "the sound server does not answer: its default input is not known"
        age = human_duration(time.monotonic() - self._answered)
        return f"the sound server does not answer: its default input is as it was {age} ago"


def ask_portaudio() -> Device | None:
    """PortAudio's default input, asked for in a child of its own. Raises TimeoutError when the
    sound server hangs."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "appliance.audio.microphone"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_HANGS_S,
            check=True,
        )
        info = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise TimeoutError(
            f"PortAudio did not name its default microphone within {_HANGS_S:.0f} s"
        ) from None
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        log.warning("PortAudio could not be asked for its default microphone: %s", error)
        return None
    if not info:
        return None
    return Device(
        id="default",
        name=f"default input ({info['name']})",
        card=None,
        device=None,
        card_id="",
        usb_path=None,
        serial=None,
        channels=0,
        rates=(int(info["defaultSampleRate"]),),
        portaudio=str(info["name"]),
    )
