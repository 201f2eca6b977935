"""`python -m appliance.audio.speaker FILE`: a sound on the box's own speaker, through PortAudio.

A child process, like a capture: PortAudio may hang or crash, and its list of devices is frozen
once it was read. It says in one line of JSON what went wrong, and exits with 1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyaudio

from appliance.audio.flac import read_flac
from appliance.audio.resample import resample

BLOCK = 1024


def main(words: list[str]) -> int:
    samples, rate = read_flac(Path(words[0]))
    audio = pyaudio.PyAudio()
    try:
        try:
            device = audio.get_default_output_device_info()
        except OSError:
            return _failed("the box has no speaker", "plug one in, or hear the clip by its link")
        native = int(device["defaultSampleRate"])
        try:
            stream = audio.open(
                format=pyaudio.paInt16,
                channels=1,
                rate=native,
                output=True,
                frames_per_buffer=BLOCK,
            )
        except OSError as error:
            return _failed(
                f"the speaker cannot be opened: {error}",
                "another program may hold it; or hear the clip by its link",
            )
        sound = resample(samples, rate, native)
        data = np.clip(np.rint(sound * 32767), -32768, 32767).astype("<i2")
        for first in range(0, len(data), BLOCK):
            stream.write(data[first : first + BLOCK].tobytes())
        stream.stop_stream()
        stream.close()
        return 0
    finally:
        audio.terminate()


def _failed(message: str, advice: str) -> int:
    sys.stdout.write(json.dumps({"message": message, "advice": advice}) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
