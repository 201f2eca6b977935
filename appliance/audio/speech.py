"""Is speech likely in a sound? Silero VAD's network, run by ONNX Runtime

Source: Silero Team, "Silero VAD", version 6 (MIT). The network is a file of the package
`silero-vad`; the package itself is never imported, since it would bring torch into the daemon.
It says only whether somebody speaks, and nothing of what is said.
"""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.audio.resample import resample
from appliance.audio.source import Samples
from appliance.errors import EngineError

RATE = 16_000
FRAME = 512
"""Samples that each probability is for: 32 ms."""
_CONTEXT = 64
_BLOCK = 512  # frames in one call: 16 s, so that a minute needs little memory
_FILE = Path("data") / "silero_vad_16k_sequence.onnx"

PROBABILITY = 0.5
SPOKEN_S = 0.15
WITHIN_S = 1.0
"""Speech is likely when frames of at least PROBABILITY add up to SPOKEN_S within WITHIN_S: one
short word is enough, and scattered frames of a long sound are not (figures: docs/benchmarks.md)."""
_PEAK = 0.3
_MOST_GAIN = 300.0  # +50 dB
_LOUD_FRAMES = 31  # on each side: a second


class SpeechDetector:
    """Thread-safe; about 2 ms of one core for each second of sound.

    Raises EngineError when the network is not there or does not load.
    """

    def __init__(self, network: Path | None = None) -> None:
        path = _network() if network is None else network
        try:
            import onnxruntime  # late: a box without the filter need not load it for this

            options = onnxruntime.SessionOptions()
            options.inter_op_num_threads = options.intra_op_num_threads = 1
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's errors have no public base class
            raise EngineError(
                f"the network that hears speech does not load: {error}",
                "install the package silero-vad again",
            ) from error
        self._lock = threading.Lock()

    def likely(self, samples: Samples, rate: int) -> bool:
        """samples: float32 [n] mono at `rate` Hz. Whether somebody seems to speak in them."""
        spoken = self.probabilities(samples, rate) >= PROBABILITY
        within = min(len(spoken), round(WITHIN_S * RATE / FRAME))
        if within == 0:
            return False
        sums = np.convolve(spoken.astype(np.int32), np.ones(within, np.int32))
        return bool(sums.max() * FRAME / RATE >= SPOKEN_S)

    def probabilities(self, samples: Samples, rate: int) -> NDArray[np.float32]:
        """That somebody speaks, for each frame of 32 ms: float32 [frames]."""
        sound = resample(samples, rate, RATE)
        count = -(-len(sound) // FRAME)
        frames = np.zeros((count, FRAME), np.float32)
        frames.reshape(-1)[: len(sound)] = _evened(sound)
        # The network hears each frame with the end of the one before it.
        before = np.zeros((count, _CONTEXT), np.float32)
        before[1:] = frames[:-1, -_CONTEXT:]
        heard = np.concatenate((before, frames), axis=1)
        hidden = cell = np.zeros((1, 1, 128), np.float32)
        found: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
        for start in range(0, count, _BLOCK):
            given: dict[str, Any] = {"input": heard[start : start + _BLOCK], "h": hidden, "c": cell}
            with self._lock:
                speech, hidden, cell = self._session.run(["speech_probs", "hn", "cn"], given)
            found.append(np.asarray(speech, np.float32).reshape(-1))
        return np.concatenate(found)


def _evened(sound: Samples) -> Samples:
    """At one loudness: the network is deaf to a voice that is far away, and a bang in the same clip
    must not hide it. The gain follows the loudest moment within a second on both sides."""
    count = -(-len(sound) // FRAME)
    if count == 0:
        return sound
    frames = np.zeros((count, FRAME), np.float32)
    frames.reshape(-1)[: len(sound)] = np.abs(sound)
    peaks = np.pad(frames.max(axis=1), _LOUD_FRAMES, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(peaks, 2 * _LOUD_FRAMES + 1).max(axis=1)
    gain = np.minimum(_PEAK / np.maximum(around, 1e-9), _MOST_GAIN)
    middles = np.arange(count) * FRAME + FRAME // 2
    return np.asarray(sound * np.interp(np.arange(len(sound)), middles, gain), np.float32)


def _network() -> Path:
    package = importlib.util.find_spec("silero_vad")
    for folder in (package.submodule_search_locations or ()) if package else ():
        if (path := Path(folder) / _FILE).is_file():
            return path
    raise EngineError(
        "the network that hears speech is not installed", "install the package silero-vad (6.2.3)"
    )
