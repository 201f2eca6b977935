"""`python -m appliance.audio.speaker ORDER`: a sound on the box's own speaker, through PortAudio.

ORDER is JSON: {path, start_s, end_s (null: to its end), speaker (a part of its name, or "")}.

A child process, like a capture: PortAudio may hang or crash, and its list of devices is frozen
once it was read. It says in one line of JSON what went wrong, and exits with 1.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyaudio

from appliance.audio.flac import read_flac
from appliance.audio.resample import resample

BLOCK = 1024


def main(words: list[str]) -> int:
    order = json.loads(words[0])
    samples, rate = read_flac(Path(order["path"]))
    first, last = order["start_s"], order["end_s"]
    samples = samples[round(first * rate) : None if last is None else round(last * rate)]
    audio = pyaudio.PyAudio()
    try:
        device, trouble = _speaker(audio, order["speaker"])
        if device is None:
            return _failed(*trouble)
        native = int(device["defaultSampleRate"])
        try:
            stream = audio.open(
                format=pyaudio.paInt16,
                channels=1,
                rate=native,
                output=True,
                output_device_index=int(device["index"]),
                frames_per_buffer=BLOCK,
            )
        except OSError as error:
            return _failed(
                f"the speaker {device['name']!r} cannot be opened: {error}",
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


def _speaker(audio: Any, wanted: str) -> tuple[dict[str, Any] | None, tuple[str, str]]:
    """PortAudio's entry for the first output whose name holds `wanted`, the default one for ""; or
    None, with what is wrong and what to do."""
    if not wanted:
        try:
            return dict(audio.get_default_output_device_info()), ("", "")
        except OSError:
            advice = "plug one in, or hear the clip by its link"
            return None, ("the box has no speaker", advice)
    known = [audio.get_device_info_by_index(index) for index in range(audio.get_device_count())]
    outputs = [info for info in known if int(info["maxOutputChannels"]) > 0]
    for info in outputs:
        if wanted.casefold() in str(info["name"]).casefold():
            return dict(info), ("", "")
    names = ", ".join(str(info["name"]) for info in outputs) or "none"
    return None, (
        f"the box has no speaker whose name holds {wanted!r}",
        f"change the setting audio.speaker; there are: {names}",
    )


def _failed(message: str, advice: str) -> int:
    sys.stdout.write(json.dumps({"message": message, "advice": advice}) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
