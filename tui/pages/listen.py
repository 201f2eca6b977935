"""Listen: what every microphone hears now, and each detection with one key for right or wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widgets import Static

from appliance.errors import EarmarkError
from tui.dialogs.choose import Choose
from tui.gate_words import engine_words, hearing_words
from tui.page import Page
from tui.widgets.detection_rows import DetectionRows
from tui.widgets.hearing import Hearing
from tui.widgets.microphone_rows import MicrophoneRows
from tui.widgets.rows import Rows
from tui.widgets.sweep import Sweep
from tui.words import deployment_words, job_words, privacy_words

DETECTIONS = 50
SLOW_S = 3.0
"""Over a poor line levels and scores are looked at so often."""
SPEEDS = (1, 2, 4)
"""Columns a second; the daemon sends four."""
NO_SOUND = "no sound yet"
NO_DETECTION = "Nothing was detected yet."
PAUSED = "paused"
DOING = ("comparison", "deployment", "engine", "job", "privacy")


class ListenPage(Page):
    """The home screen."""

    NAME = "listen"
    HELP = (
        "What the box hears. Above, each microphone with its level; below it the sound of the one "
        "that is chosen, drawn column by column (pitch upwards, loud is bright; ▲ sweeps "
        "over the oldest). At the left the five best scores, below the thresholds too; at the "
        "right detections: Enter shows the clip of one. Below the scores stands what was not "
        "reported, and why. Say right or wrong: the clip gets its label, and the next training "
        "learns from it."
    )
    BINDINGS = [
        Binding("c", "review('confirmed')", "Right", tooltip="the detection was right"),
        Binding("x", "review('refuted')", "Wrong", tooltip="it was something else"),
        Binding("r", "relabel", "Relabel", tooltip="wrong, and say what it was"),
        Binding("u", "take_back", "Take back", tooltip="say nothing about it after all"),
        Binding("m", "next_microphone", "Microphone", tooltip="show the next one's sound"),
        Binding("plus,minus", "speed", "Speed", show=False, tooltip="of the spectrogram"),
    ]
    TOPICS = Page.TOPICS | set(DOING)
    TELLS = frozenset({"detection"})
    LIVE = ("hearing", "spectrum")

    DEFAULT_CSS = """
    ListenPage #doing { height: auto; max-height: 3; padding: 0 1; }
    ListenPage #sweep { border-top: solid $panel; height: 1fr; }
    ListenPage #lower { height: 11; border-top: solid $panel; }
    ListenPage.-slow #sweep { display: none; }
    ListenPage.-slow #lower { height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._hearing: Mapping[str, Any] = {}
        self._columns = 0
        self._loudest: list[int] = []
        self._labels: list[str] = []
        self._silence = ""
        self._speed = 2
        self._looked = 0.0

    def body(self) -> ComposeResult:
        microphones = MicrophoneRows(id="microphones")
        yield Static(id="doing", markup=False)
        yield microphones
        yield Sweep(NO_SOUND, id="sweep")
        with Horizontal(id="lower"):
            yield Hearing(id="hearing")
            yield DetectionRows(lambda one: self.earmark.names.of(one), id="detections")

    def on_mount(self) -> None:
        self.set_class(self.earmark.low_bandwidth, "-slow")
        self.query_one("#detections").focus()

    # --- what is shown -------------------------------------------------------------------------

    async def load(self) -> None:
        detections = self.query_one(DetectionRows)
        detections.expect()
        status = await self.earmark.look_at_status()
        found = await self.box.get("/detections", limit=DETECTIONS)
        self._labels = [row["name"] for row in (await self.box.get("/labels"))["items"]]
        await self.earmark.names.look(self.box)
        rows = self.query_one(MicrophoneRows)
        first = not rows.rows
        rows.update_views(status["microphones"])
        if first:
            rows.first_heard()
        detections.update_all(found["items"])
        self._describe()
        self._show_silence()
        await self._look()

    async def _look(self) -> None:
        self._hearing = await self.box.get("/hearing")
        self._show_hearing()

    def heard(self, topic: str, data: dict[str, Any]) -> None:
        if topic == "spectrum":
            self._sound(data["microphones"])
        elif topic == "hearing":
            self._hearing = data["microphones"]
        elif topic == "label":
            self.start(self._look_at_labels)
        elif topic == "detection":
            self.query_one(DetectionRows).put(data["detection"])
        elif topic == "microphone":
            self.query_one(MicrophoneRows).change(data["what"], data["microphone"])
            if data["what"] != "state":
                self.query_one(DetectionRows).renamed()
            self._show_silence()
        elif topic in DOING:
            self._describe()
            self._show_silence()

    def beat(self) -> None:
        now = time.monotonic()
        if self.earmark.low_bandwidth:
            if now - self._looked >= SLOW_S and self.box.connected:
                self._looked = now
                self.start(self._look_slowly)
        elif now - self._looked >= 0.5:
            self._looked = now
            self._show_hearing()

    async def _look_at_labels(self) -> None:
        self._labels = [row["name"] for row in (await self.box.get("/labels"))["items"]]

    async def _look_slowly(self) -> None:
        views = await self.box.get("/microphones")
        self.query_one(MicrophoneRows).update_views(views["items"])
        await self._look()

    def _sound(self, microphones: Mapping[str, Mapping[str, Any]]) -> None:
        rows = self.query_one(MicrophoneRows)
        chosen = rows.selected
        self._columns += 1
        entry = microphones.get(chosen) if chosen else None
        if entry and entry["column"]:
            column = list(bytes.fromhex(entry["column"]))
            # Short sounds must not fall between two columns.
            self._loudest = (
                [max(pair) for pair in zip(self._loudest, column, strict=True)]
                if self._loudest
                else column
            )
        if self._silence:
            self._loudest = []  # of before, and late
        elif self._columns % (4 // self._speed) == 0 and self._loudest:
            self.query_one(Sweep).add(bytes(self._loudest))
            self._loudest = []
        if self._columns % 2 == 0:
            rows.levels(microphones)
            self._show_silence()

    def _show_hearing(self) -> None:
        rows = self.query_one(MicrophoneRows)
        chosen = rows.selected
        entry = self._hearing.get(chosen) if chosen else None
        name = self.earmark.names.of(chosen)
        # What was not reported changes all the time: too much for a poor line.
        told = (
            None if entry is None or not self.earmark.low_bandwidth else {**entry, "rejected": []}
        )
        self.query_one(Hearing).hear(name, told or entry, self._why_silent())

    def _why_silent(self) -> str:
        """Why nothing is heard of the chosen microphone: its state, or that all are paused."""
        privacy = self.earmark.status.get("privacy") or {}
        return PAUSED if privacy.get("paused") else self.query_one(MicrophoneRows).silent

    def _show_silence(self) -> None:
        """Sound that is over shall not look as if it were now."""
        if (why := self._why_silent()) != self._silence:
            self._silence = why
            self._clear()
            self._show_hearing()

    def _clear(self) -> None:
        self._loudest = []
        why = self._silence
        words = "paused: no microphone is open" if why == PAUSED else f"no sound: it is {why}"
        self.query_one(Sweep).clear(words if why else NO_SOUND)

    def _describe(self) -> None:
        status = self.earmark.status
        lines = [
            privacy_words(status.get("privacy")),
            deployment_words(status.get("deployment")),
            job_words(status.get("job")),
            hearing_words(status.get("comparison")),
            engine_words(status.get("engine_work")),
        ]
        self.query_one("#doing", Static).update("\n".join(line for line in lines if line))

    def on_rows_moved(self, event: Rows.Moved) -> None:
        if event.rows.id == "microphones":
            self._silence = self._why_silent()
            self._clear()
            self._show_hearing()

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        if event.rows.id == "detections" and (found := self.query_one(DetectionRows).meant):
            if found.get("clip") is None:
                self.notify("Its sound is not kept yet.", timeout=3)
            else:
                self.earmark.open_clips({"clips": [found["clip"]]})

    # --- what the keys do ----------------------------------------------------------------------

    def action_next_microphone(self) -> None:
        rows = self.query_one(MicrophoneRows)
        keys = [row.key for row in rows.rows]
        if keys:
            rows.go_to(keys[(keys.index(rows.selected) + 1) % len(keys)])

    def action_speed(self) -> None:
        self._speed = SPEEDS[(SPEEDS.index(self._speed) + 1) % len(SPEEDS)]
        self.notify(f"{self._speed} columns a second", timeout=2)

    def action_review(self, review: str) -> None:
        self._review(review, None)

    def action_take_back(self) -> None:
        self._review(None, None)

    def action_relabel(self) -> None:
        self.start(self._relabel)

    async def _relabel(self) -> None:
        found = self.query_one(DetectionRows).meant
        if found is None:
            self.notify(NO_DETECTION, timeout=3)
            return
        # Known before: what is typed next is for the dialog, and must not fall on this page's keys.
        # First what most false alarms are, whether anybody has made that label yet.
        labels = ["background", *(name for name in self._labels if name != "background")]
        others = [name for name in labels if name != found["label"]]
        question = f"Not {found['label']}. What was it?"
        chosen = await self.app.push_screen_wait(Choose(question, others, new="New label"))
        if chosen:
            self._review("refuted", chosen, found)

    def _review(
        self, review: str | None, label: str | None, found: dict[str, Any] | None = None
    ) -> None:
        """Shown at once, sent as soon as the daemon is there."""
        rows = self.query_one(DetectionRows)
        found = found or rows.meant
        if found is None:
            self.notify(NO_DETECTION, timeout=3)
            return
        body: dict[str, Any] = {"review": review}
        if label is not None:
            body["label"] = label
            # One that was chosen as new; background also before anybody has made it.
            body["create"] = label not in self._labels
        rows.put({**found, "waits": True})
        before = found

        def refused(error: EarmarkError) -> None:
            rows.put(before)
            self.earmark.say_error(error)

        self.outbox.post(
            f"detection {found['id']}: {label or review or 'taken back'}",
            "put",
            f"/detections/{found['id']}/review",
            body,
            done=rows.put,
            refused=refused,
        )
