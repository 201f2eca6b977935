"""A microphone without hardware: a PulseAudio server of the test's own, with a null sink whose
monitor is the default input. What is played to it is recorded through the real PyAudio path.

The environment that `use` sets leads PortAudio's ALSA to that server: programs started while it
holds see a default microphone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

RATE = 48_000
_NEEDED = ("pulseaudio", "pactl", "paplay")


class VirtualMicrophone:
    """`start` and `kill` may alternate, as a microphone may be unplugged and come back."""

    def __init__(self, folder: Path) -> None:
        # Sockets have paths of at most 107 bytes, which pytest's folders may exceed.
        self._short = Path(tempfile.mkdtemp(prefix="vm-"))
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        alsa = folder / "asound.conf"
        alsa.write_text(
            "</usr/share/alsa/alsa.conf>\n"
            "pcm.!default { type pulse }\n"
            "ctl.!default { type pulse }\n"
        )
        client = folder / "client.conf"
        client.write_text("autospawn = no\n")
        self.environment = {
            "XDG_RUNTIME_DIR": str(self._short),
            "PULSE_RUNTIME_PATH": str(self._short / "pulse"),
            "PULSE_SERVER": f"unix:{self._short}/native",
            "PULSE_CLIENTCONFIG": str(client),
            "ALSA_CONFIG_PATH": str(alsa),
            "HOME": str(folder),
        }
        self._server: subprocess.Popen[bytes] | None = None
        self._players: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start the server and wait until it answers."""
        socket = self._short / "native"
        command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        for module in (
            f"module-native-protocol-unix socket={socket} auth-anonymous=1",
            f"module-null-sink sink_name=mic rate={RATE} channels=1",
            "module-remap-source master=mic.monitor source_name=virtmic",
        ):
            command += ["--load", module]
        # A file, not a pipe: nobody reads it while the server runs.
        with (self._folder / "pulse.log").open("ab") as log:
            self._server = subprocess.Popen(
                command, env=self._all(), stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + 90
        while not self._answers():
            if time.monotonic() > deadline or self._server.poll() is not None:
                raise RuntimeError((self._folder / "pulse.log").read_text()[-2000:])
            time.sleep(0.05)

    def kill(self) -> None:
        """The server dies at once, as a cable is pulled."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None
        for player in self._players:
            player.kill()
            player.wait()
        self._players.clear()
        (self._short / "native").unlink(missing_ok=True)

    def play(self, samples: npt.NDArray[np.float32], rate: int = RATE) -> subprocess.Popen[bytes]:
        """Begin to play float32 [n] mono; returns the player, which ends with the sound."""
        file = self._folder / f"play{len(self._players)}.wav"
        soundfile.write(file, samples, rate, subtype="PCM_16")
        player = subprocess.Popen(
            ["paplay", "--device=mic", str(file)],
            env=self._all(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._players.append(player)
        return player

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._short, ignore_errors=True)

    @contextlib.contextmanager
    def use(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualMicrophone]:
        """Let this process, and what it starts, find the server."""
        with monkeypatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            yield self

    def _all(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def _answers(self) -> bool:
        done = subprocess.run(
            ["pactl", "info"],
            env=self._all(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        return done.returncode == 0


@pytest.fixture
def virtual_microphone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[VirtualMicrophone]:
    """A running virtual microphone, which is the default input of everything the test starts."""
    missing = [program for program in _NEEDED if shutil.which(program) is None]
    if missing:
        pytest.skip(
            f"needs {', '.join(missing)}: apt-get install pulseaudio pulseaudio-utils "
            "libasound2-plugins"
        )
    microphone = VirtualMicrophone(tmp_path / "pulse")
    try:
        microphone.start()
        with microphone.use(monkeypatch):
            yield microphone
    finally:
        microphone.close()
