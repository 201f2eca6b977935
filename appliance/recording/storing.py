"""From a part of a recording to a clip, and which session a clip that made itself belongs to."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance import clock
from appliance.library.clip import Clip
from appliance.library.clips import Clips
from appliance.recording.assembly import Part

# Sounds closer together than this are often one source at one distance in one room: a split of
# the data must not tear them apart. But a busy day must not become one session either.
SESSION_GAP_S = 60.0
SESSION_LONGEST_S = 600.0


def store_part(
    clips: Clips,
    part: Part,
    *,
    source: str,
    session: int,
    label: str | None = None,
    author: str = "",
    extra: Mapping[str, Any] | None = None,
) -> Clip | None:
    """Store `part` with the number and moment of its first sample; durable when this returns.
    None when the speech filter dropped it."""
    if clips.speech.drops(source, part.microphone, part.samples, part.rate):
        return None
    facts = dict(extra or {})
    if part.lost_frames:
        facts["lost_frames"] = part.lost_frames
    return clips.add_samples(
        part.samples,
        part.rate,
        source=source,
        session=session,
        label=label,
        microphone=part.microphone,
        start_s=part.start_s,
        stamp=clock.stamp_at(part.captured_ns),
        frame=part.frame,
        extra=facts,
        author=author,
    )


class SessionChain:
    """The session of clips that the box makes by itself, over all microphones: two of them that
    hear one sound hear it in one session. Only replays share with nobody: a file that is played
    is a recording of its own. Thread-safe."""

    def __init__(self, clips: Clips, kind: str) -> None:
        self._clips = clips
        self._kind = kind
        self._lock = threading.Lock()
        self._links: dict[str, _Link] = {}

    def session(self, captured_ns: int, microphone: str) -> int:
        """The session for a clip of `microphone` that began at `captured_ns`: the last one, or a
        new one after a pause of a minute."""
        own = microphone if microphone.startswith("replay:") else ""
        with self._lock:
            link = self._links.get(own)
            if link is None or link.ended_before(captured_ns):
                link = _Link(self._clips.new_session(None, self._kind), captured_ns, captured_ns)
                self._links[own] = link
            link.last_ns = max(link.last_ns, captured_ns)
            return link.session


@dataclass
class _Link:
    session: int
    began_ns: int
    last_ns: int

    def ended_before(self, captured_ns: int) -> bool:
        paused = (captured_ns - self.last_ns) / 1e9 > SESSION_GAP_S
        return paused or (captured_ns - self.began_ns) / 1e9 > SESSION_LONGEST_S
