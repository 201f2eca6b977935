"""Real microphones through PortAudio. The only module that imports pyaudio.

It runs in a capture child only, or as `python -m appliance.audio.microphone`, which prints as
JSON what PortAudio's default input is: PortAudio can take long, crash, or freeze its list of
devices, and none of that may happen to the daemon.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyaudio

from appliance import clock
from appliance.audio import devices
from appliance.audio.frame_clock import FrameClock
from appliance.audio.source import (
    BLOCK_SECONDS,
    MAX_CHANNELS,
    Block,
    SourceError,
    SourceSpec,
    StreamFormat,
)

# Best first: no rate above 48 kHz holds anything that is kept.
RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 11_025, 8_000, 96_000, 88_200, 192_000)
_LIVES_S = 30
_BUSY = ("Device unavailable", "Device or resource busy")
# PulseAudio and PipeWire offer 32 or more channels that do not exist.
_VIRTUAL_CHANNELS = 16


class PyAudioSource:
    """A device at its native rate and channels, 16 bits."""

    def __init__(self, spec: SourceSpec) -> None:
        self._spec = spec
        self._audio: pyaudio.PyAudio | None = None
        self._stream: Any = None
        self._format = StreamFormat(0, 0)
        self._opened_channels = 0
        self._clock = FrameClock(1)
        self._frame = 0

    def open(self) -> StreamFormat:
        """Find the device and open it. Raises SourceError: missing, busy or failed."""
        device = None if self._spec.target == "default" else _present(self._spec.target)
        self._audio = pyaudio.PyAudio()
        info = _portaudio_device(self._audio, device)
        refusal: Exception | None = None
        for rate, channels in self._candidates(device, info):
            try:
                self._stream = self._audio.open(
                    format=pyaudio.paInt16,
                    channels=channels,
                    rate=rate,
                    input=True,
                    input_device_index=int(info["index"]),
                    frames_per_buffer=round(rate * BLOCK_SECONDS),
                )
            except (OSError, ValueError) as error:
                refusal = error
                if any(word in str(error) for word in _BUSY):
                    break
                continue
            self._opened_channels = channels
            self._format = StreamFormat(rate, min(channels, MAX_CHANNELS))
            self._clock = FrameClock(rate)
            return self._format
        raise _refused(self._spec.target, device, refusal)

    def read(self) -> Block:
        """The next 100 ms. Raises SourceError when the device is gone."""
        size = round(self._format.rate * BLOCK_SECONDS)
        lost = 0
        overflow = False
        while True:
            try:
                data = self._stream.read(size, exception_on_overflow=True)
                break
            except OSError as error:
                if error.errno != pyaudio.paInputOverflowed:
                    raise SourceError(
                        "missing",
                        f"the microphone stopped: {error}",
                        "check its plug; it is tried again by itself",
                    ) from error
                # PyAudio throws away the block that it had read when it says this.
                overflow = True
                lost += size
        arrived_ns = clock.monotonic_ns()
        # Many devices refuse fewer channels than they have; those beyond the eighth are left out.
        samples = np.frombuffer(data, dtype=np.int16).reshape(-1, self._opened_channels)
        samples = samples[:, : self._format.channels]
        end = self._frame + lost + len(samples)
        lost += self._clock.arrived(end, arrived_ns, overflow=overflow)
        frame = self._frame + lost
        self._frame = frame + len(samples)
        return Block(
            samples.astype(np.float32) / np.float32(32768),
            frame,
            self._clock.captured_ns(frame),
            lost,
        )

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        if self._audio is not None:
            self._audio.terminate()

    def _candidates(
        self, device: devices.Device | None, info: dict[str, Any]
    ) -> Iterator[tuple[int, int]]:
        """Rates and channel counts to try, the native ones first."""
        most = int(info["maxInputChannels"])
        if wanted := self._spec.options.get("channels"):
            counts = [int(wanted)]
        elif device is None and most >= _VIRTUAL_CHANNELS:
            counts = [1, 2]
        else:
            known_count = device.channels if device is not None else 0
            counts = [known_count or most, most, 2, 1]
        if wanted := self._spec.options.get("rate"):
            rates = [int(wanted)]
        else:
            known = device.rates if device is not None else ()
            rates = sorted(known, key=_preference) or list(RATES)
        for count in dict.fromkeys(counts):
            yield from ((rate, count) for rate in dict.fromkeys(rates))


def _preference(rate: int) -> tuple[bool, int]:
    """48 kHz and below before the rest, the highest of them first."""
    return (rate > 48_000, rate if rate > 48_000 else -rate)


def _present(identifier: str) -> devices.Device:
    listed = devices.list_cards()
    found = devices.find_device(identifier, listed)
    if found is None:
        advice = "plug it in; it is tried again by itself. `earmark devices` lists what is there"
        if moved := devices.same_serial(identifier, listed):
            advice = f"its serial is now at {moved[0].id}: use the same plug as before, or that id"
        raise SourceError("missing", f"the microphone {identifier} is not plugged in", advice)
    return found


def _portaudio_device(audio: pyaudio.PyAudio, device: devices.Device | None) -> dict[str, Any]:
    """PortAudio's own entry for the device. It leaves out those that it cannot open."""
    if device is None:
        try:
            return dict(audio.get_default_input_device_info())
        except OSError as error:
            raise SourceError(
                "missing",
                "there is no default microphone",
                "plug one in, or start the sound server; `earmark devices` lists what is there",
            ) from error
    for index in range(audio.get_device_count()):
        info = dict(audio.get_device_info_by_index(index))
        if device.portaudio in str(info["name"]) and int(info["maxInputChannels"]) > 0:
            return info
    if device.used_by:
        raise _busy(device.id, device.used_by)
    raise SourceError(
        "busy",
        f"the microphone {device.name} is there but cannot be opened",
        "end the program that uses it; the daemon's user must be in the group `audio`",
    )


def _refused(
    identifier: str, device: devices.Device | None, error: Exception | None
) -> SourceError:
    if device is not None and (used_by := devices.user_of(device)):
        return _busy(identifier, used_by)
    if any(word in str(error) for word in _BUSY):
        return _busy(identifier, "another program")
    return SourceError(
        "failed",
        f"the microphone {identifier} cannot be opened: {error}",
        "unplug it and plug it in again; see the daemon's log",
    )


def _busy(identifier: str, used_by: str) -> SourceError:
    return SourceError(
        "busy",
        f"the microphone {identifier} is used by {used_by}",
        "end that program, or choose another microphone; it is tried again by itself",
    )


def main() -> int:
    """Print PortAudio's default input as JSON, or null."""
    signal.alarm(_LIVES_S)  # whoever asked may be gone by the time that a server hangs
    audio = pyaudio.PyAudio()
    try:
        info: dict[str, Any] | None = None
        with contextlib.suppress(OSError):
            info = dict(audio.get_default_input_device_info())
    finally:
        audio.terminate()
    sys.stdout.write(json.dumps(info))
    return 0


if __name__ == "__main__":
    sys.exit(main())
