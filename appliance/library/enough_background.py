"""Is there background enough? A network that has heard little of it reports what it should not."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.text import count

BACKGROUND = "background"
# Below this, the background is thin: 20 clips of 3 s, say.
FEWEST_CLIPS = 20
FEWEST_SECONDS = 60.0
FEWEST_SESSIONS = 3
_ADVICE = "`earmark background start MICROPHONE` gathers it by itself"


def background_warnings(seconds: Sequence[float], sessions: int) -> list[str]:
    """What is missing of the class `background`; empty when nothing is.

    seconds: the length of each of its clips; sessions: how many recordings they come from.
    """
    if not seconds:
        return [
            "no background: whatever the box hears will be taken for one of its sounds;"
            f" {_ADVICE} (label {BACKGROUND})"
        ]
    total, warnings = sum(seconds), []
    if len(seconds) < FEWEST_CLIPS or total < FEWEST_SECONDS:
        warnings.append(
            f"thin background: {count(len(seconds), 'clip')}, {total:.0f} s; from {FEWEST_CLIPS}"
            f" clips and {FEWEST_SECONDS:.0f} s on, false alarms become rarer; {_ADVICE}"
        )
    if 1 < sessions < FEWEST_SESSIONS:  # of one, readiness says more
        warnings.append(
            f"background from {sessions} recordings only: gather it over a day and with each"
            " microphone, because nights and afternoons differ"
        )
    return warnings
