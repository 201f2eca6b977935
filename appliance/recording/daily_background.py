"""Background that the box gathers by itself: some samples a day from each microphone that listens,
into the inbox with the suggestion `background`, for a person to confirm or relabel.

Samples are spread over the day, and never taken while something rises above the background. A
microphone whose suggestions nobody looks at stops making more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from appliance.audio.source import parse_source
from appliance.errors import EarmarkError
from appliance.library.clips import Clips
from appliance.library.enough_background import BACKGROUND
from appliance.library.filters import ClipFilter
from appliance.periodic import Periodic
from appliance.recording.background import Background
from appliance.recording.microphones import Microphones, MicrophoneView

log = logging.getLogger(__name__)

LOOK_S = 300.0
SAMPLE_S = 5.0
# So many that wait for a person are enough.
MOST_WAITING = 40
AUTHOR = "earmark"


def real(view: MicrophoneView) -> bool:
    """A replay has no day that samples could be spread over."""
    return parse_source(view.source).kind != "replay"


class DailyBackground:
    def __init__(
        self,
        background: Background,
        microphones: Microphones,
        clips: Clips,
        a_day: int,
        *,
        day_s: float = 86_400.0,
        wanted: Callable[[MicrophoneView], bool] = real,
    ) -> None:
        """a_day: samples of each microphone, 0 for none."""
        self._background = background
        self._microphones = microphones
        self._clips = clips
        self._a_day = a_day
        self._day_s = day_s
        self._wanted = wanted
        self._periodic = Periodic("daily background", self._turn, LOOK_S)
        self.stop = self._periodic.stop

    def start(self) -> None:
        if self._a_day > 0:
            self._periodic.start()

    def _turn(self) -> None:
        try:
            self.look()
        except EarmarkError as error:
            log.warning("background is not gathered now: %s", error)

    def look(self) -> None:
        """Begin a day of samples for each microphone that has none under way."""
        busy = {task.microphone for task in self._background.all() if task.state == "gathering"}
        for view in self._microphones.all():
            if not (view.enabled and view.listen and self._wanted(view)) or view.id in busy:
                continue
            if self.waiting(view.id) >= MOST_WAITING:
                continue
            self._background.begin(
                view.id,
                self._a_day,
                self._day_s,
                SAMPLE_S,
                author=AUTHOR,
                suggested=BACKGROUND,
            )

    def waiting(self, microphone: str) -> int:
        """Samples of that microphone that nobody has labelled, counted up to the limit."""
        wanted = ClipFilter(unlabelled=True, microphone=microphone, source="background")
        return len(self._clips.page(wanted, limit=MOST_WAITING).items)
