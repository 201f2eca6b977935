"""`python -m appliance.gate.child MANIFEST`: hears clips and history with one or two versions.

A child of the daemon with the lowest priority, so that nothing it does can hold up listening. It
runs the versions on the processor, in the precision that is to listen: where a GPU will run them,
the engine's certificate says that it says the same. Its standard output is JSON, a line each:
{"progress": {...}} now and then, {"result": {...}} last.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from appliance.audio.flac import read_flac
from appliance.errors import EarmarkError
from appliance.gate.hearing import Hearer
from appliance.live.decision import Rules
from appliance.models.engine import open_reference_engine
from appliance.models.predict import predict

TELL_EVERY_S = 0.5
# Clips may take this share of the time; the rest is for the history.
CLIPS_SHARE = 0.4


class Run:
    """One manifest, worked through; see `manifest.py` for its fields."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        self._manifest = manifest
        self._began = time.monotonic()
        self._limit_s = float(manifest["limit_s"])
        self._told = 0.0
        rules = Rules(**manifest["rules"])
        self._hearers = {}
        for version in manifest["versions"]:
            engine = open_reference_engine(
                Path(version["folder"]), version["sha256"], version["precision"]
            )
            # A threshold for each of its classes; indexing is asking.
            thresholds: dict[str, float] = version["thresholds"]
            self._hearers[version["name"]] = Hearer(engine, rules, thresholds.__getitem__)

    def result(self) -> dict[str, Any]:
        clips = self._clips()
        return {"clips": clips, **self._history(0.3 if self._manifest["clips"] else 0.0)}

    def _clips(self) -> dict[str, dict[str, list[Any]]]:
        """version -> clip id -> [label, score], as `predict` says it."""
        answers: dict[str, dict[str, list[Any]]] = {name: {} for name in self._hearers}
        clips = self._manifest["clips"]
        for place, clip in enumerate(clips):
            if self._past(CLIPS_SHARE):
                break
            self._tell("clips", 0.3 * place / len(clips))
            try:
                samples, rate = read_flac(Path(clip["path"]))
                for name in clip["versions"]:
                    said = predict(self._hearers[name].engine, samples, rate)
                    answers[name][str(clip["id"])] = [said.label, round(said.score, 4)]
            except EarmarkError as error:
                _warn(f"clip {clip['id']}: {error}")
        return answers

    def _history(self, from_fraction: float) -> dict[str, Any]:
        events: dict[str, list[dict[str, Any]]] = {name: [] for name in self._hearers}
        pieces = self._manifest["pieces"]
        total = sum(minute["seconds"] for piece in pieces for minute in piece["minutes"])
        heard_s, heard = 0.0, []
        for piece in pieces:
            if self._past(1.0):
                break
            done: list[dict[str, Any]] = []
            for minute in piece["minutes"]:
                if done and self._past(1.0):
                    break
                try:
                    samples, rate = read_flac(Path(minute["path"]))
                except EarmarkError as error:  # it rolled away meanwhile
                    _warn(f"{minute['path']}: {error}")
                    break
                for hearer in self._hearers.values():
                    hearer.push(np.ascontiguousarray(samples), rate)
                done.append(minute)
                heard_s += minute["seconds"]
                self._tell("history", from_fraction + (1 - from_fraction) * heard_s / total)
            for name, hearer in self._hearers.items():
                events[name] += [_placed(event, piece, done) for event in hearer.finish()]
            if done:
                heard.append(
                    {
                        "microphone": piece["microphone"],
                        "at": done[0]["at"],
                        "until": done[-1]["at"] + done[-1]["seconds"] / done[-1]["speed"],
                    }
                )
        return {"events": events, "heard_s": heard_s, "history_s": total, "heard": heard}

    def _past(self, share: float) -> bool:
        return time.monotonic() - self._began > share * self._limit_s

    def _tell(self, phase: str, fraction: float) -> None:
        now = time.monotonic()
        if now - self._told < TELL_EVERY_S:
            return
        self._told = now
        took = now - self._began
        left = took * (1 - fraction) / fraction if fraction > 0.02 else self._limit_s
        _say(
            {
                "progress": {
                    "phase": phase,
                    "fraction": round(fraction, 4),
                    "left_s": round(max(0.0, min(left, self._limit_s - took)), 1),
                }
            }
        )


def _placed(event: Any, piece: dict[str, Any], minutes: list[dict[str, Any]]) -> dict[str, Any]:
    """An event with the minute that it began in, the place there, and the wall clock."""
    before_s = 0.0
    minute = minutes[0]
    for one in minutes:
        minute = one
        if event.start_s < before_s + one["seconds"]:
            break
        before_s += one["seconds"]
    offset = max(0.0, event.start_s - before_s)
    return {
        "microphone": piece["microphone"],
        "label": event.label,
        "score": round(event.score, 4),
        "minute": minute["number"],
        "offset_s": round(offset, 2),
        "seconds": round(event.end_s - event.start_s, 2),
        "at": minute["at"] + offset / minute["speed"],
        "until": minute["at"] + (offset + event.end_s - event.start_s) / minute["speed"],
    }


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _warn(line: str) -> None:
    sys.stderr.write(line + "\n")


def main(file: str) -> int:
    """Exit status 0 with a result, 1 with one line on standard error."""
    try:
        _say({"result": Run(json.loads(Path(file).read_text())).result()})
    except EarmarkError as error:
        _warn(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
