"""Two versions side by side: what each got right, what it reported, and what that says.

Recall on labelled clips rests on clips that neither version knows by heart; those that one was
trained on are counted apart. Of the history nobody knows the truth but where a person said it: an
event is confirmed, refuted, or unconfirmed, and whatever no person confirmed counts as a false
alarm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from appliance.gate.false_alarms import UNKNOWN, WORSE, FalseAlarms
from appliance.gate.manifest import Question
from appliance.gate.truth import SLACK_S, Truth
from appliance.settings import GateSettings
from appliance.text import count
from appliance.units import human_duration

MOST_EVENTS = 200
# Two events of one sound may begin so far apart: as far as from what a person said of it.
SAME_S = SLACK_S
# Fewer lost clips than this are chance; with fewer in all, recall is not known.
LEAST_CLIPS, ENOUGH_CLIPS = 2, 10
# More events of a new label than one in five minutes that nobody confirmed are warned of.
MANY_AN_HOUR, LEAST_EVENTS = 12.0, 3


@dataclass
class Count:
    """`right` of `clips`."""

    right: int = 0
    clips: int = 0

    def add(self, right: bool) -> None:
        self.right += right
        self.clips += 1

    @property
    def share(self) -> float | None:
        return self.right / self.clips if self.clips else None

    def plain(self) -> dict[str, Any]:
        return {"right": self.right, "clips": self.clips, "recall": self.share}


def report(
    live: str,
    candidate: str,
    result: Mapping[str, Any],
    asked: Sequence[Question],
    truth: Truth,
    classes: Mapping[str, Sequence[str]],
    tolerances: GateSettings,
) -> dict[str, Any]:
    """The whole comparison as plain JSON. `result` is the child's; `classes` of both versions."""
    names = (live, candidate)
    honest = {name: dict[str, Count]() for name in names}
    trained = {name: Count() for name in names}
    unheard = 0
    for question in asked:
        answers = {name: _answer(question, name, result) for name in names}
        if None in answers.values():
            unheard += 1  # there was no time for it, or it could not be read
            continue
        for name in names:
            right = answers[name] == question.clip.label
            if question.honest:
                honest[name].setdefault(question.clip.label or "", Count()).add(right)
            elif question.how[name] == "trained":
                trained[name].add(right)
    events = {name: [_judged(event, truth) for event in result["events"][name]] for name in names}
    heard_s = round(float(result["heard_s"]), 1)
    common = set(classes[live]) & set(classes[candidate])
    gained, lost = _differences(events[live], events[candidate])
    confirmed = truth.confirmed_in(result["heard"])
    sides = {
        role: {
            "version": name,
            "events": len(events[name]),
            **{
                state: sum(event["state"] == state for event in events[name])
                for state in ("confirmed", "refuted", "unconfirmed")
            },
            "false_alarms": sum(event["state"] != "confirmed" for event in events[name]),
            "false_alarms_per_hour": _rate(events[name], heard_s),
            "confirmed_heard": sum(_finds(events[name], sound) for sound in confirmed),
            "confirmed_sounds": len(confirmed),
            "honest": _total(honest[name]).plain(),
            "trained": trained[name].plain(),
            "labels": _by_label(honest[name], events[name]),
        }
        for role, name in (("live", live), ("candidate", candidate))
    }
    made: dict[str, Any] = {
        "compared": True,
        "clips": len(asked),
        "clips_heard": len(asked) - unheard,
        "heard_s": heard_s,
        "history_s": round(float(result["history_s"]), 1),
        "microphones": len({piece["microphone"] for piece in result["heard"]}),
        **sides,
        "gained": gained[:MOST_EVENTS],
        "lost": lost[:MOST_EVENTS],
        "gained_count": len(gained),
        "lost_count": len(lost),
        "new_labels": sorted(set(classes[candidate]) - set(classes[live])),
        "gone_labels": sorted(set(classes[live]) - set(classes[candidate])),
    }
    alarms = _false_alarms(events[live], events[candidate], common, heard_s)
    verdict = alarms.verdict(tolerances.more_false_alarms)
    worse = [f"false alarms rise {alarms.sentence()}"] if verdict == WORSE else []
    made["false_alarms"] = {**asdict(alarms), "chance": alarms.chance, "verdict": verdict}
    made["regressions"] = [
        *_recall_lost(honest[live], honest[candidate], tolerances),
        *_confirmed_lost(sides, tolerances),
        *worse,
    ]
    made["new_label_events"] = _of_new_labels(events[candidate], made["new_labels"], heard_s)
    made["warnings"] = [_many(row, heard_s) for row in made["new_label_events"] if row["many"]]
    made["undecided"] = _undecided(made, alarms, verdict)
    made["notes"] = _notes(made)
    return made


def _answer(question: Question, name: str, result: Mapping[str, Any]) -> str | None:
    if question.how[name] == "held out":
        return question.held_out[name]
    said = result["clips"][name].get(str(question.clip.id))
    return None if said is None else str(said[0])


def _judged(event: dict[str, Any], truth: Truth) -> dict[str, Any]:
    return {**event, **truth.judge(event)}


def _differences(
    live: Sequence[dict[str, Any]], candidate: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What only the candidate reports, and what only the live version does; newest first. An
    event that the other reports under another label says so in `instead`."""
    left = sorted(live, key=lambda event: event["at"])
    gained = []
    for event in sorted(candidate, key=lambda event: event["at"]):
        same = next((one for one in left if _same(one, event) and _same_label(one, event)), None)
        if same is not None:
            left.remove(same)
        else:
            gained.append(event)
    return (
        [_instead(event, left) for event in reversed(gained)],
        [_instead(event, gained) for event in reversed(left)],
    )


def _instead(event: dict[str, Any], others: Sequence[dict[str, Any]]) -> dict[str, Any]:
    other = next((one["label"] for one in others if _same(one, event)), None)
    return {**event, "instead": other}


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(
        one["microphone"] == other["microphone"]
        and one["at"] <= other["until"] + SAME_S
        and other["at"] <= one["until"] + SAME_S
    )


def _same_label(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return bool(one["label"] == other["label"])


def _finds(events: Sequence[Mapping[str, Any]], sound: Mapping[str, Any]) -> bool:
    return any(_same(event, sound) and _same_label(event, sound) for event in events)


def _rate(events: Sequence[Mapping[str, Any]], heard_s: float) -> float | None:
    if heard_s <= 0:
        return None
    wrong = sum(event["state"] != "confirmed" for event in events)
    return float(round(wrong / (heard_s / 3600), 3))


def _total(counts: Mapping[str, Count]) -> Count:
    return Count(
        sum(count.right for count in counts.values()), sum(count.clips for count in counts.values())
    )


def _by_label(
    honest: Mapping[str, Count], events: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    heard = Counter(event["label"] for event in events)
    return [
        {"label": label, "events": heard[label], **honest.get(label, Count()).plain()}
        for label in sorted({*honest, *heard})
    ]


def _recall_lost(
    live: Mapping[str, Count], candidate: Mapping[str, Count], tolerances: GateSettings
) -> list[str]:
    found = []
    before, after = _total(live), _total(candidate)
    if _fell(before, after, tolerances.recall_loss):
        found.append(
            f"recall on {before.clips} labelled clips falls from {before.right} to {after.right}"
        )
    for label, was in sorted(live.items()):
        now = candidate.get(label, Count())
        if _fell(was, now, tolerances.label_recall_loss):
            found.append(
                f"{label}: of {was.clips} clips it recognises {now.right}, not {was.right}"
            )
    return found


def _fell(before: Count, after: Count, tolerance: float) -> bool:
    lost = before.right - after.right
    return lost >= LEAST_CLIPS and lost / max(1, before.clips) > tolerance


def _confirmed_lost(sides: Mapping[str, Any], tolerances: GateSettings) -> list[str]:
    live, candidate = sides["live"], sides["candidate"]
    sounds = live["confirmed_sounds"]
    before, after = (
        Count(live["confirmed_heard"], sounds),
        Count(candidate["confirmed_heard"], sounds),
    )
    if not _fell(before, after, tolerances.label_recall_loss):
        return []
    return [
        f"of {sounds} sounds that a person confirmed it reports {after.right}, not {before.right}"
    ]


def _false_alarms(
    live: Sequence[dict[str, Any]],
    candidate: Sequence[dict[str, Any]],
    common: set[str],
    heard_s: float,
) -> FalseAlarms:
    """Events of a label that only one of them knows are its purpose, unless a person said no."""

    def wrong(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            event
            for event in events
            if event["state"] == "refuted"
            or (event["state"] == "unconfirmed" and event["label"] in common)
        ]

    before, after = wrong(live), wrong(candidate)
    gained, lost = _differences(before, after)
    return FalseAlarms(len(before), len(after), len(gained), len(lost), heard_s / 3600)


def _of_new_labels(
    events: Sequence[Mapping[str, Any]], labels: Sequence[str], heard_s: float
) -> list[dict[str, Any]]:
    """What the candidate reported of each label that only it knows."""
    found = []
    for label in labels:
        states = Counter(event["state"] for event in events if event["label"] == label)
        unconfirmed = states["unconfirmed"]
        many = heard_s > 0 and unconfirmed / (heard_s / 3600) > MANY_AN_HOUR
        found.append(
            {
                "label": label,
                "events": states.total(),
                "confirmed": states["confirmed"],
                "refuted": states["refuted"],
                "unconfirmed": unconfirmed,
                "many": many and unconfirmed >= LEAST_EVENTS,
            }
        )
    return found


def _many(row: Mapping[str, Any], heard_s: float) -> str:
    hours = heard_s / 3600
    return (
        f"{row['label']}, which is new, would have been reported {row['unconfirmed']} times in "
        f"{human_duration(heard_s)} ({row['unconfirmed'] / hours:.0f} an hour) and nobody "
        "confirmed it: listen to some of these events"
    )


def _undecided(made: Mapping[str, Any], alarms: FalseAlarms, verdict: str) -> list[str]:
    """What this comparison is too small to say."""
    found = []
    clips = made["candidate"]["honest"]["clips"]
    if clips < ENOUGH_CLIPS:
        found.append(f"recall: {count(clips, 'labelled clip')} that neither version was trained on")
    if verdict != UNKNOWN:
        return found
    if made["history_s"] == 0:
        found.append("false alarms: there is no history")
    elif made["heard_s"] == 0:
        found.append("false alarms: no time for the history (setting gate.limit_s)")
    elif alarms.gained + alarms.lost == 0:
        found.append(f"false alarms: only {human_duration(made['heard_s'])} of history were heard")
    else:
        found.append(
            f"false alarms: {alarms.sentence()}, {alarms.gained} of them only from the candidate "
            f"and {alarms.lost} only from what listens; chance does that {_odds(alarms.chance)}"
        )
    return found


def _odds(chance: float) -> str:
    """`1 time in 8`; an even chance is no figure, and a very small one may have come out as 0."""
    if chance < 1e-6:
        return "less than 1 time in a million"
    return "often" if chance >= 0.4 else f"1 time in {1 / chance:.0f}"


def _notes(made: Mapping[str, Any]) -> list[str]:
    notes = []
    if made["clips_heard"] < made["clips"]:
        heard = f"{made['clips_heard']} of {made['clips']}"
        notes.append(f"{heard} labelled clips were heard (setting gate.limit_s)")
    if 0 < made["heard_s"] < made["history_s"] - 1:
        share = made["heard_s"] / made["history_s"]
        notes.append(f"{share:.0%} of the history was heard, spread over it (setting gate.limit_s)")
    if made["new_labels"]:
        events = [
            f"{row['label']} ({count(row['events'], 'event')})" for row in made["new_label_events"]
        ]
        notes.append("it knows in addition: " + ", ".join(events))
    if made["gone_labels"]:
        notes.append("it does not know any more: " + ", ".join(made["gone_labels"]))
    return notes
