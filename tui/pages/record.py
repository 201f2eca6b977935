"""Record: one key begins, one key ends; what was recorded stands below at once."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Static

from appliance.client import quoted
from appliance.text import safe
from appliance.units import human_duration
from tui.dialogs.choose import Choose
from tui.page import Page
from tui.widgets.clip_rows import ClipRows
from tui.widgets.record_rows import RecordRows
from tui.words import privacy_words

LENGTHS: tuple[float | None, ...] = (None, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds; None is until it is stopped."""
GOING_ON = ("recording", "storing")
CLIPS = 30
LOOK_S, SLOW_S = 1.0, 3.0
NO_LABEL = "(no label)"


class RecordPage(Page):
    """Microphones above, recordings that run, the last clips."""

    NAME = "record"
    HELP = (
        "Space chooses microphones; without a choice the one under the cursor records. Enter or r "
        "begins, and again ends; with a length it ends by itself. A label can be given before, or "
        "while it records. t lets the microphone record by itself what rises above the "
        "background: the mark > on its meter is the level that starts a recording. What it "
        "records waits in the inbox of the Label screen."
    )
    BINDINGS = [
        Binding("r", "record", "Record", tooltip="or stop"),
        Binding("space", "mark", "Choose"),
        Binding("l", "label", "Label…", tooltip="of what is recorded"),
        Binding("plus,equals_sign", "length(1)", "Longer", key_display="+"),
        Binding("minus", "length(-1)", "Shorter", key_display="-"),
        Binding("t", "trigger", "Trigger", tooltip="record by itself what rises, or not"),
        Binding("b", "background", "Background", tooltip="gather ten samples over five minutes"),
    ]
    TOPICS = Page.TOPICS | {"privacy"}
    LIVE = ("spectrum",)
    DEFAULT_CSS = """
    RecordPage #plan { height: 1; padding: 0 1; }
    RecordPage #running { height: auto; max-height: 5; padding: 0 1; color: $warning; }
    RecordPage #last { height: 1fr; border-top: solid $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._length = 0
        self._label: str | None = None
        self._recordings: dict[int, dict[str, Any]] = {}
        self._labels: list[str] = []
        self._came: list[dict[str, Any]] = []
        """Clips that were added since the list was asked for."""
        self._turn = asyncio.Lock()
        self._presses = 0
        self._looked = 0.0

    def body(self) -> ComposeResult:
        yield Static(id="plan", markup=False)
        yield RecordRows(id="microphones")
        yield Static(id="running", markup=False)
        yield ClipRows(lambda one: self.earmark.names.of(one), id="last")

    def on_mount(self) -> None:
        self.query_one("#microphones").focus()
        self._describe()

    # --- what is shown -------------------------------------------------------------------------

    async def load(self) -> None:
        await self._look()
        await self.earmark.names.look(self.box)
        found = await self.box.get("/recordings")
        self._recordings = {row["id"]: row for row in found["items"] if row["state"] in GOING_ON}
        self._came.clear()
        clips = await self.box.get("/clips", limit=CLIPS)
        rows = self.query_one("#last", ClipRows)
        rows.say_empty("Nothing is recorded yet.")
        rows.begin(clips["items"], more=False)
        for clip in self._came:  # while the answer did
            rows.add_first(clip)
        self._labels = [row["name"] for row in (await self.box.get("/labels"))["items"]]
        self._describe()

    async def _look(self) -> None:
        views = (await self.box.get("/microphones"))["items"]
        self.earmark.names.know(views)
        triggers: dict[str, Any] = {}
        for view in views:
            if view["trigger"] is not None:
                path = f"/microphones/{quoted(view['id'])}/trigger"
                triggers[view["id"]] = await self.box.get(path)
        self.query_one(RecordRows).know(views, triggers)

    def heard(self, topic: str, data: dict[str, Any]) -> None:
        if topic == "spectrum":
            self.query_one(RecordRows).levels(data["microphones"])
        elif topic == "recording" and "recording" in data:
            self._recorded(data["recording"])
        elif topic == "microphone":
            self.start(self._look)
        elif topic == "clip" and data["action"] == "added":
            self.start(self._add, data["clips"], group=f"add {data['clips'][0]}")
        elif topic == "clip" and data["action"] == "deleted":
            self._came = [clip for clip in self._came if clip["id"] not in data["clips"]]
            self.query_one("#last", ClipRows).drop(set(data["clips"]))
        elif topic == "label":
            self.start(self._look_at_labels)
        elif topic == "privacy":
            self._describe()

    def _recorded(self, recording: dict[str, Any]) -> None:
        """A recording as it is now."""
        if recording["state"] in GOING_ON:
            self._recordings[recording["id"]] = recording
        else:
            self._recordings.pop(recording["id"], None)
            if recording["detail"]:
                self.notify(safe(recording["detail"]), severity="warning", markup=False)
        self._describe()

    async def _add(self, clips: list[int]) -> None:
        rows = self.query_one("#last", ClipRows)
        for identifier in clips[-CLIPS:]:
            clip = await self.box.get(f"/clips/{identifier}")
            self._came = [*self._came[-CLIPS:], clip]
            rows.add_first(clip)

    async def _look_at_labels(self) -> None:
        self._labels = [row["name"] for row in (await self.box.get("/labels"))["items"]]

    def beat(self) -> None:
        now = time.monotonic()
        slow = self.earmark.low_bandwidth
        every = SLOW_S if slow else LOOK_S
        # Over a poor line nothing else brings the levels.
        busy = bool(self._recordings) or self.query_one(RecordRows).triggered or slow
        if now - self._looked >= every and self.box.connected and busy:
            self._looked = now
            self.start(self._look)
            if self._recordings:
                self.start(self._look_at_recordings)

    async def _look_at_recordings(self) -> None:
        for identifier in list(self._recordings):
            self._recorded(await self.box.get(f"/recordings/{identifier}"))

    def _describe(self) -> None:
        length = LENGTHS[self._length]
        until = "until you stop it" if length is None else f"for {human_duration(length)}"
        label = safe(self._label) if self._label else "no label"
        paused = privacy_words(self.earmark.status.get("privacy"))
        words = paused or f"Records {until} (+/-), {label} (l)."
        self.query_one("#plan", Static).update(words)
        lines = []
        for recording in self._recordings.values():
            name = safe(self.earmark.names.of(recording["microphone"]))
            whole = recording["seconds"] and recording["seconds"] + recording["pre_roll_s"]
            total = f" of {human_duration(whole)}" if whole else ""
            lost = recording["lost_frames"]
            lines.append(
                f"● {name} {recording['state']} {human_duration(recording['elapsed_s'])}{total}"
                + (f", {safe(recording['label'])}" if recording["label"] else "")
                + (f", {lost} frames lost" if lost else "")
                + (f", {safe(recording['detail'])}" if recording["detail"] else "")
            )
        self.query_one("#running", Static).update("\n".join(lines))

    # --- what the keys do ----------------------------------------------------------------------

    def on_rows_chosen(self) -> None:
        self.action_record()

    def action_record(self) -> None:
        # Each press on its own, one after another: over a slow line the second one comes before
        # the daemon has answered the first, and is to end what that began.
        self._presses += 1
        self.start(self._toggle_in_turn, group=f"record {self._presses}")

    async def _toggle_in_turn(self) -> None:
        async with self._turn:
            await self._toggle()

    async def _toggle(self) -> None:
        running = [one for one in self._recordings.values() if one["state"] == "recording"]
        if running:
            for recording in running:
                ended = await self.box.post(f"/recordings/{recording['id']}/stop")
                # Its label may have been chosen while it recorded.
                if self._label and self._label != ended["label"] and ended["clips"]:
                    body = {"clips": ended["clips"], "label": self._label}
                    self.outbox.post(f"clips: {self._label}", "post", "/clips/label", body)
                self._recorded(ended)
            return
        chosen = self.query_one(RecordRows).meant()
        if not chosen:
            self.notify("No microphone is set up: add one on F6 Device.", timeout=4)
            return
        body = {
            "microphones": chosen,
            "seconds": LENGTHS[self._length],
            "label": self._label,
        }
        started = await self.box.post("/recordings", body)
        for recording in started["items"]:
            self._recorded(recording)

    def action_mark(self) -> None:
        self.query_one(RecordRows).mark()

    def action_length(self, step: int) -> None:
        self._length = max(0, min(len(LENGTHS) - 1, self._length + step))
        self._describe()

    def action_label(self) -> None:
        self.start(self._choose_label)

    async def _choose_label(self) -> None:
        # Known before: what is typed next is for the dialog, and must not fall on this page's keys.
        labels = list(self._labels)
        title = "What is recorded?"
        chosen = await self.app.push_screen_wait(
            Choose(title, [*labels, NO_LABEL], new="New label")
        )
        if chosen is None:
            return
        if chosen not in labels and chosen != NO_LABEL:
            await self.box.post("/labels", {"name": chosen})
            self._labels.append(chosen)
        self._label = None if chosen == NO_LABEL else chosen
        self._describe()

    def action_trigger(self) -> None:
        if view := self.query_one(RecordRows).view:
            self._presses += 1
            self.start(self._trigger, view["id"], group=f"trigger {self._presses}")

    async def _trigger(self, microphone: str) -> None:
        """Turn it on or off, as the daemon left it after the press before."""
        path = f"/microphones/{quoted(microphone)}"
        async with self._turn:
            view = await self.box.get(path)
            on = view["trigger"] is None
            await self.box.put(f"{path}/trigger", {} if on else None)
        self.notify(f"{safe(view['name'])}: trigger {'on' if on else 'off'}", timeout=3)
        await self._look()

    def action_background(self) -> None:
        self.start(self._background)

    async def _background(self) -> None:
        view = self.query_one(RecordRows).view
        if view is not None:
            body = {"microphone": view["id"], "samples": 10, "over_s": 300}
            await self.box.post("/background", body)
            name = safe(view["name"])
            self.notify(f"{name}: ten samples of background over five minutes", timeout=4)
