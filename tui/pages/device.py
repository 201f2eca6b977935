"""Device: the box itself, its microphones, what its checks say, and the end of its log."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from appliance.client import quoted
from appliance.text import safe
from tui.device_words import board_lines, health_lines, status_lines
from tui.dialogs.ask import Ask
from tui.dialogs.choose import Choose
from tui.dialogs.confirm import Confirm
from tui.dialogs.text import TextDialog
from tui.page import Page
from tui.widgets.microphone_rows import MicrophoneRows
from tui.words import sentence

LOOK_S, SLOW_S = 5.0, 30.0
LOG_LINES = 400
OTHER = "another source: type it (default, replay:/a/folder)"


class DevicePage(Page):
    """Everything about the box that is not a sound."""

    NAME = "device"
    HELP = (
        "Microphones with their state: a adds one, e closes or opens it, d lets the deployment "
        "listen to it or not, g sets its gain, delete removes it (its clips stay). Below stand "
        "disk, memory, temperatures, power mode and what the box's own checks say, each with what "
        "to do; page down and page up read on in them. "
        "p pauses all microphones until you resume; o shows the log."
    )
    BINDINGS = [
        Binding("a", "add", "Add", tooltip="a microphone"),
        Binding("e", "enable", "Open/close", tooltip="the microphone under the cursor"),
        Binding("d", "listen", "Listen", show=False, tooltip="or not: the deployment"),
        Binding("g", "gain", "Gain"),
        Binding("delete", "remove", "Remove", show=False, tooltip="the microphone; clips stay"),
        Binding("p", "pause", "Pause/resume", tooltip="all microphones, for privacy"),
        Binding("o", "log", "Log", tooltip="the end of the daemon's log"),
        Binding("b", "backup", "Back up", tooltip="sounds, labels, versions, now"),
        # Before the microphones, that are few: what stands below may be longer than the screen.
        Binding("pagedown", "read(1)", "Read on", show=False, priority=True),
        Binding("pageup", "read(-1)", "Read back", show=False, priority=True),
    ]
    TOPICS = Page.TOPICS | {"privacy"}
    DEFAULT_CSS = """
    DevicePage MicrophoneRows { max-height: 6; }
    DevicePage #facts { height: 1fr; border-top: solid $panel; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._looked = 0.0

    def body(self) -> ComposeResult:
        rows = MicrophoneRows(id="microphones")
        rows.say_empty("No microphone is set up: a adds one.")
        yield rows
        with VerticalScroll(id="facts", can_focus=False):
            yield Static(id="words", markup=False)

    def on_mount(self) -> None:
        self.query_one("#microphones").focus()

    # --- what is shown -------------------------------------------------------------------------

    async def load(self) -> None:
        status = await self.earmark.look_at_status()
        self.query_one(MicrophoneRows).update_views(status["microphones"])
        board = await self.box.get_known("/board")
        health = await self.box.get_known("/health")
        width = self.query_one("#facts").scrollable_content_region.width
        lines = [*status_lines(status), *board_lines(board), *health_lines(health, width)]
        self.query_one("#words", Static).update(Content("\n").join(lines))

    def heard(self, topic: str, data: dict[str, Any]) -> None:
        if topic == "microphone":
            self.query_one(MicrophoneRows).change(data["what"], data["microphone"])
        elif topic in ("privacy", "deployment"):
            self.reload()

    def beat(self) -> None:
        now = time.monotonic()
        every = SLOW_S if self.earmark.low_bandwidth else LOOK_S
        if now - self._looked >= every and self.box.connected:
            self._looked = now
            self.reload()

    # --- what the keys do ----------------------------------------------------------------------

    def action_read(self, pages: int) -> None:
        facts = self.query_one("#facts", VerticalScroll)
        if pages > 0:
            facts.scroll_page_down(animate=False)
        else:
            facts.scroll_page_up(animate=False)

    def _view(self) -> dict[str, Any] | None:
        rows = self.query_one(MicrophoneRows)
        if rows.current is None or not self.steady(rows, "microphone"):
            return None
        view: dict[str, Any] = rows.current.data
        return view

    def action_add(self) -> None:
        self.start(self._add)

    async def _add(self) -> None:
        found = await self.box.get("/microphones/available")
        if found["problem"]:
            words = f"{sentence(found['problem'])} {sentence(found['advice'])}"
            self.notify(words, severity="warning", timeout=8, markup=False)
        known = {f"{device['id']}  {device['name']}": device["id"] for device in found["items"]}
        title = "Which microphone?"
        chosen = await self.ask(Choose(title, [*known, OTHER], new="This source"))
        if chosen is None:
            return
        source = known.get(chosen, chosen)
        if source == OTHER:
            source = await self.app.push_screen_wait(Ask("Which source?", placeholder="default"))
        if not source:
            return
        name = await self.app.push_screen_wait(Ask("What shall it be called?", value="microphone"))
        if name:
            await self.box.post("/microphones", {"source": source, "name": name})
            self.reload()

    def action_enable(self) -> None:
        if view := self._view():
            self.start(self._change, view, {"enabled": not view["enabled"]})

    def action_listen(self) -> None:
        if view := self._view():
            self.start(self._change, view, {"listen": not view["listen"]})

    async def _change(self, view: dict[str, Any], body: dict[str, Any]) -> None:
        await self.box.patch(f"/microphones/{quoted(view['id'])}", body)
        self.reload()

    def action_gain(self) -> None:
        self.start(self._gain)

    async def _gain(self) -> None:
        view = self._view()
        if view is None:
            return
        title = f"Gain of {safe(view['name'])} in dB, -60 to 60"
        text = await self.app.push_screen_wait(
            Ask(title, value=f"{view['gain_db']:g}", check=_not_a_gain)
        )
        if text is not None:
            await self._change(view, {"gain_db": float(text)})

    def action_remove(self) -> None:
        self.start(self._remove)

    async def _remove(self) -> None:
        view = self._view()
        if view is not None:
            question = f"Remove {safe(view['name'])}?"
            detail = "Its clips and detections stay."
            if await self.app.push_screen_wait(Confirm(question, detail, yes="Remove")):
                await self.box.delete(f"/microphones/{quoted(view['id'])}")
                self.reload()

    def action_pause(self) -> None:
        self.start(self._pause)

    async def _pause(self) -> None:
        privacy = self.earmark.status.get("privacy") or {}
        paused = bool(privacy.get("paused"))
        detail = "Nothing is heard or recorded until you resume, over a restart too."
        question = Confirm("Close all microphones?", detail, yes="Close")
        if not paused and not await self.app.push_screen_wait(question):
            return
        await self.box.post(f"/privacy/{'resume' if paused else 'pause'}")
        self.reload()

    def action_log(self) -> None:
        self.start(self._log)

    async def _log(self) -> None:
        lines = (await self.box.get("/log", lines=LOG_LINES))["lines"]
        text = Content("\n".join(safe(line) for line in lines))
        await self.ask(TextDialog("The daemon's log", text, end=True))

    def action_backup(self) -> None:
        self.start(self._backup)

    async def _backup(self) -> None:
        self.notify("Backing up …", timeout=3)
        made = await self.box.post("/backups", {})
        while made["state"] == "running":
            await asyncio.sleep(1.0)
            made = (await self.box.get("/backups"))["latest"]
        if made["state"] == "done":
            self.notify(f"Backed up: {safe(made['path'])}", timeout=6, markup=False)
        else:
            self.notify(safe(f"{made['detail']} {made['advice']}"), severity="error", markup=False)
        self.reload()


def _not_a_gain(text: str) -> str:
    try:
        good = -60.0 <= float(text) <= 60.0
    except ValueError:
        good = False
    return "" if good else "a number from -60 to 60, as 6 or -3.5"
