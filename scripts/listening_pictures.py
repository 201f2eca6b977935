"""Draw the pictures of docs/listening.md from real recordings, through the product's own code.

    .venv/bin/python scripts/listening_pictures.py --model FOLDER

FOLDER is one that `benchmarks/false_alarms.py --model FOLDER` has filled.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray
from svg import COLOURS, Chart

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "benchmarks"))

from alarms import Figures, Scores, decide, listen  # noqa: E402
from false_alarms import FOLDS, GAP_S, KNOWN, UNKNOWN, Heard, measure, pool  # noqa: E402
from scene import RATE, Played, Scene, room  # noqa: E402

from appliance.audio.spectrum import BANDS, band_edges, band_levels, quiet_bands  # noqa: E402
from appliance.live.belief import Belief  # noqa: E402
from appliance.live.chances import keeping  # noqa: E402
from appliance.live.decision import Rules  # noqa: E402
from appliance.live.tally import BINS, EDGES, Rises, bin_of  # noqa: E402
from appliance.models.card import read_card  # noqa: E402
from appliance.models.onnx_engine import OnnxEngine  # noqa: E402
from appliance.settings import ListenSettings  # noqa: E402

FOLDER = REPOSITORY / "docs" / "pictures"
FOLD = 5
SHOWN_S = 70.0
THRESHOLD = ListenSettings().threshold
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def believe(scores: Scores) -> NDArray[np.float32]:
    """[windows, classes], as the decision weighs the windows."""
    belief = Belief(
        scores.classes, Rules().smoothing_s, window_s=scores.window_s, hop_s=scores.hop_s
    )
    return np.array([belief.push(row) for row in scores.probabilities])


def decision(scores: Scores, played: list[Played]) -> None:
    """Window scores, what is believed, the threshold, and what is reported."""
    label = "Dog bark"
    number = next(n for n, sound in enumerate(played) if sound.label == label and n > 2)
    start = played[number].start_s - 20
    chart = Chart(
        f"Scores of “{label}” on a stream, and what is reported", (start, start + SHOWN_S), (0, 1),
        "seconds", "score",
    )  # fmt: skip
    for sound in played:
        if start < sound.start_s < start + SHOWN_S:
            colour = COLOURS[2] if sound.label == label else "#6e7781"
            chart.band(sound.start_s, sound.end_s, colour, sound.label)
    near = (scores.ends > start) & (scores.ends < start + SHOWN_S)
    raw = scores.probabilities[:, scores.classes.index(label)]
    believed = believe(scores)[:, scores.classes.index(label)]
    chart.line(scores.ends[near].tolist(), raw[near].tolist(), "#8c959f", wide=1)
    chart.line(scores.ends[near].tolist(), believed[near].tolist(), COLOURS[0], wide=2.2)
    chart.line([start, start + SHOWN_S], [THRESHOLD, THRESHOLD], COLOURS[1], dashes="5 4")
    chart.words(start, THRESHOLD, "threshold", COLOURS[1])
    for alarm in decide(scores, THRESHOLD, Rules()):
        if alarm.label == label and start < alarm.at_s < start + SHOWN_S:
            chart.dot(alarm.at_s, THRESHOLD, COLOURS[1])
    ticks = np.arange(np.ceil(start / 10) * 10, start + SHOWN_S, 10)
    chart.write(FOLDER / "decision.svg", ticks.tolist(), SHARES)


def familiarity(scores: Scores, played: list[Played]) -> None:
    """How familiar windows of known and of unknown sounds are: what the scores add up to."""
    familiar = scores.probabilities.sum(axis=1)
    groups: dict[bool, list[float]] = {True: [], False: []}
    for sound in played:
        inside = (scores.ends >= sound.start_s + 1) & (scores.ends <= sound.end_s + 1)
        if inside.any():
            groups[sound.known].append(float(familiar[inside].max()))
    chart = Chart(
        "Familiarity of sounds that were taught (blue) and that were not (red)", (0, 1), (0, 100),
        "highest familiarity of a window of the sound", "% of the sounds",
    )  # fmt: skip
    edges = np.linspace(0, 1, 11)
    for known, values in groups.items():
        counts, _ = np.histogram(values, edges)
        shares = 100 * counts / max(len(values), 1)
        half = 0.045
        for left, share in zip(edges[:-1], shares, strict=True):
            begin = left + (0.005 if known else 0.005 + half)
            chart.bar(begin, begin + half, float(share), COLOURS[0 if known else 1])
    chart.write(FOLDER / "familiarity.svg", np.linspace(0, 1, 6).tolist(), (0, 25, 50, 75, 100))


def false_alarms(heard: Heard) -> None:
    """Recall against false alarms, beside the naive rule."""
    least, most = -1.0, float(np.log10(heard.naive_default.false_alarms_an_hour)) + 0.3

    def place(point: Figures) -> float:
        return float(np.log10(max(point.false_alarms_an_hour, 10**least)))

    chart = Chart(
        "False alarms in known sounds and background, and recall", (least, most), (0.5, 1),
        "false alarms an hour", "recall",
    )  # fmt: skip
    for points, colour in ((heard.product, COLOURS[0]), (heard.naive, COLOURS[1])):
        chart.line([place(one) for one in points], [one.recall for one in points], colour, wide=2.2)
    usual, rule = heard.product_default, heard.naive_default
    chart.dot(place(usual), usual.recall, COLOURS[0])
    chart.words(
        place(usual), usual.recall, "Earmark (its threshold the dot)", COLOURS[0], along=-90
    )
    at = place(rule)
    chart.dot(at, rule.recall, COLOURS[1])
    words = "each window over a threshold (0.5 the dot)"
    chart.words(at, rule.recall, words, COLOURS[1], down=26, along=-200)
    ticks = [float(t) for t in (-1, 0, 1, 2, 3) if t <= most]
    chart.write(
        FOLDER / "false_alarms.svg", ticks, (0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        lambda tick: f"{10**tick:g}",
    )  # fmt: skip


def rate(scores: Scores, played: list[Played], hours: float) -> None:
    """Peaks of a label's rises while it did not sound, and the thresholds that keep rates."""
    label = "Dog bark"
    rises, counts = Rises(scores.classes), [0] * BINS
    for end_s, row in zip(scores.ends.tolist(), believe(scores), strict=True):
        for name, peak in rises.push(row):
            sounding = any(
                sound.label == label and sound.start_s < end_s + 3 and sound.end_s > end_s - 8
                for sound in played
            )
            at = bin_of(peak)
            if name == label and at is not None and not sounding:
                counts[at] += 1
    most = max(*counts, 1)
    chart = Chart(
        f"“{label}” while none barked: peaks of {sum(counts)} rises in {hours:.1f} hours",
        (0, BINS), (0, most * 1.25), "highest score", "rises",
    )  # fmt: skip
    for at, count in enumerate(counts):
        chart.bar(at, at + 1, count, COLOURS[0])
    for number, per_day in enumerate((240.0, 48.0, 12.0)):
        threshold, guessed = keeping(counts, hours, per_day)
        at = float(np.interp(threshold, EDGES, np.arange(BINS)))
        chart.line([at, at], [0, most * 1.1], COLOURS[1], dashes="5 4")
        words = f"{per_day:g} a day: {threshold:.2f}" + " (a guess)" * guessed
        chart.words(at, most * (1.15 - 0.1 * number), words, COLOURS[1], along=-60)
    chart.write(
        FOLDER / "rate.svg", list(range(0, BINS, 8)), (0, most),
        lambda tick: f"{EDGES[int(tick)]:.2f}",
    )  # fmt: skip


def drift() -> None:
    """The quiet spectrum of a microphone, as in training and under a cloth."""
    sound = room(30.0, 7)
    low = soxr.resample(soxr.resample(sound, RATE, 3000), 3000, RATE)
    covered = (low + 0.03 * sound[: len(low)]).astype(np.float32)
    usual, now = (quiet_bands(band_levels(part, RATE)) for part in (sound, covered))
    bottom = float(np.floor(min(usual.min(), now.min()) / 20) * 20)
    top = float(np.ceil(max(usual.max(), now.max()) / 20) * 20)
    chart = Chart(
        "A microphone's quiet spectrum: in its training data (blue), under a cloth (red)",
        (0, BANDS - 1), (bottom, top), "Hz", "dB",
    )  # fmt: skip
    chart.line(list(range(BANDS)), usual.tolist(), COLOURS[0], wide=2.2)
    chart.line(list(range(BANDS)), now.tolist(), COLOURS[1], wide=2.2)
    edges = band_edges(RATE)
    chart.write(
        FOLDER / "drift.svg", list(range(0, BANDS, 3)), np.arange(bottom, top + 1, 20).tolist(),
        lambda tick: f"{np.sqrt(edges[int(tick)] * edges[int(tick) + 1]):.0f}",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    model = parser.parse_args().model
    result = model / f"fold-{FOLD}" / "job" / "result"
    engine = OnnxEngine(result / "model.onnx", read_card(result / "card.json"), threads=2)
    stream, played = Scene((FOLD,)).mix(KNOWN, UNKNOWN, repeats=1, gap_s=GAP_S)
    scores = listen(engine, stream)
    hours = len(stream) / RATE / 3600
    FOLDER.mkdir(exist_ok=True)
    decision(scores, played)
    familiarity(scores, played)
    false_alarms(pool([measure(model / f"fold-{fold}", fold) for fold in FOLDS]))
    rate(scores, played, hours)
    drift()


if __name__ == "__main__":
    main()
