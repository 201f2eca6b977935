"""The terminal UI: six screens over one connection."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App
from textual.binding import Binding
from textual.screen import Screen

from appliance import __version__
from appliance.errors import EarmarkError
from tui.commands import Commands
from tui.connection import Away, Connection, There
from tui.dialogs.confirm import Confirm
from tui.dialogs.dialog import Dialog
from tui.dialogs.help import Help
from tui.keys import keys_of
from tui.names import MicrophoneNames
from tui.outbox import Outbox
from tui.page import Page
from tui.pages import PAGES
from tui.theme import DARK, LIGHT, NAMES
from tui.toasts import toast_for
from tui.widgets.banner import Banner
from tui.widgets.message_line import MessageLine
from tui.widgets.top_bar import TopBar
from tui.words import sentence

BEAT_S = 0.25
"""What the daemon tells is drawn at most so often; a key is answered at once."""
GONE_S = 5.0
"""After a signal it ends so soon at the latest, whatever the terminal does."""
SAME_ERROR_S = 4.0
PARTS = {"engine": "engine_work"}
"""The part of the status that an event changes, where its name is not that of the topic."""


class EarmarkApp(App[None]):
    """Owns the connection and the outbox, tells the page that is shown what happens."""

    TITLE = "Earmark"
    ENABLE_COMMAND_PALETTE = True
    COMMANDS: ClassVar[Any] = {Commands}
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        entry.name: entry.make for entry in PAGES
    }
    DEFAULT_MODE = "listen"
    BINDINGS: ClassVar[Any] = [
        *[
            Binding(entry.keys, f"app.go('{entry.name}')", entry.title, show=False)
            for entry in PAGES
        ],
        Binding("ctrl+r", "reload", "Reload", show=False, tooltip="fetch again, connect at once"),
        Binding("ctrl+t", "theme", "Dark or light", show=False),
        Binding("ctrl+p", "command_palette", "Commands", key_display="^p"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("ctrl+c,ctrl+q", "quit", "Quit", show=False, priority=True),
    ]

    def __init__(
        self,
        *,
        url: str | None = None,
        token: str | None = None,
        data: Path | None = None,
        low_bandwidth: bool = False,
        theme: str = "dark",
    ) -> None:
        super().__init__()
        self.low_bandwidth = low_bandwidth
        self.box = Connection(url=url, token=token, data=data, tell=self.post_message)
        self.outbox = Outbox(self.box, self._describe)
        self.status: dict[str, Any] = {}
        """What `GET /status` said last, kept up to date by events: deployment, job, ..."""
        self._newer: Counter[str] = Counter()
        """How often an event changed that part of `status`."""
        self.names = MicrophoneNames()
        self._trouble = ""
        self._note = ""
        self._said: dict[str, float] = {}
        self._signals: dict[int, Any] = {}
        self.animation_level = "none"  # each frame of one would go over the line
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = NAMES[theme]

    # --- start and end -------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._loop_here = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            self._signals[number] = signal.signal(number, self._leave)
        self.box.start()
        self.run_worker(self.outbox.run(), group="outbox")
        self.set_interval(BEAT_S, self._beat)

    def on_unmount(self) -> None:
        for number, before in self._signals.items():
            signal.signal(number, before)
        self.box.stop()

    def _leave(self, *_: object) -> None:
        """A signal: nobody is there to be asked. A handler of Python, not of the loop: where the
        line has dropped, Textual may wait for ever to write to a terminal that has gone."""
        last = threading.Timer(GONE_S, os._exit, (0,))
        last.daemon = True
        last.start()
        self._loop_here.call_soon_threadsafe(self.exit)

    async def action_quit(self) -> None:
        if len(self.outbox) and not isinstance(self.screen, Confirm):
            self.run_worker(self._ask_to_quit(), group="quit", exclusive=True)
        else:
            self.exit()

    async def _ask_to_quit(self) -> None:
        waiting = len(self.outbox)
        words = "\n".join(self.outbox.words[:5]) + ("\n…" if waiting > 5 else "")
        question = f"{waiting} changes have not reached the daemon. Leave them behind?"
        if await self.push_screen_wait(Confirm(question, words, yes="Leave", no="Stay")):
            self.exit()

    # --- the line to the daemon ----------------------------------------------------------------

    def on_there(self, message: There) -> None:
        again = bool(self._trouble)
        self.status, self._trouble = message.status, ""
        self.names.forget()
        self.names.know(message.status["microphones"])
        other = message.status["version"]
        self._note = ""
        # What happened while nobody looked, such as at the daemon's start.
        for notice in message.status.get("notices", [])[:3]:
            self._heard("notice", notice, None)
        if other != __version__:
            self._note = (
                f"The daemon is version {other}, this is {__version__}: "
                "some things may not work. Restart the older one."
            )
        self.outbox.connected(True)
        if again:
            self.notify("The daemon is there again.", timeout=4)
        for page in self._pages():
            page.fresh = False
        self._describe()
        self._freshen()

    def on_away(self, message: Away) -> None:
        error = message.error
        again = f"Trying again in {max(message.seconds, 1):.0f} s, or now: Ctrl-R."
        self._trouble = f"{sentence(error.message)} {again} {sentence(error.advice)}".rstrip()
        self.outbox.connected(False)
        self._describe()

    def action_reload(self) -> None:
        self.box.retry()
        if isinstance(self.screen, Page) and self.box.connected:
            self.screen.reload()

    def _beat(self) -> None:
        events, dropped = self.box.events()
        page = self._shown()
        for topic, data in events:
            self._heard(topic, data, page)
        if dropped:
            for one in self._pages():
                one.fresh = False
            self._freshen()
        if page is not None and page is self.screen and page.is_mounted:
            page.beat()

    async def look_at_status(self) -> dict[str, Any]:
        """`GET /status`, taken into `status`: but for what events have said since it was asked,
        which is newer than the answer."""
        before = dict(self._newer)
        status: dict[str, Any] = await self.box.get("/status")
        self.status.update(
            (part, value)
            for part, value in status.items()
            if self._newer[part] == before.get(part, 0)
        )
        self.names.know(status["microphones"])
        return status

    def _heard(self, topic: str, data: dict[str, Any], shown: Page | None) -> None:
        self._newer[PARTS.get(topic, topic)] += 1
        if topic == "deployment":
            self.status["deployment"] = data
        elif topic == "job":
            self._job(data)
        elif topic == "privacy":
            self.status["privacy"] = data["privacy"]
        elif topic == "microphone":
            self.names.heard(data["what"], data["microphone"])
        elif topic == "engine":
            self.status["engine_work"] = data if data["state"] == "building" else None
        elif topic == "comparison":
            one = data["comparison"]
            self.status["comparison"] = one if one["state"] == "running" else None
        seen = shown is not None and topic in shown.TELLS
        if not seen and (said := toast_for(topic, data)):
            text, severity = said
            self.notify(text, severity=severity, timeout=6, markup=False)
        for page in self._pages():
            if page is shown:
                # Before it has its parts it has fetched nothing either.
                if page.is_mounted:
                    page.heard(topic, data)
            elif topic in page.TOPICS:
                page.fresh = False
                page.missed(topic, data)
        if topic in ("deployment", "job"):
            self._describe()

    def _job(self, job: dict[str, Any]) -> None:
        running = self.status.get("job")
        if job["state"] in ("starting", "running", "paused"):
            self.status["job"] = job
        elif running and running["id"] == job["id"]:
            self.status["job"] = None

    # --- screens -------------------------------------------------------------------------------

    def action_go(self, name: str) -> None:
        """Show the page `name`; its place is as it was left."""
        self.switch_mode(name)
        self.call_after_refresh(self._arrived)

    def open_version(self, name: str) -> None:
        """Show the page of one version."""
        self.action_go("versions")
        self.call_after_refresh(self._ask_page, "open_version", name)

    def open_clips(self, filters: dict[str, Any]) -> None:
        """Show the clips that `filters` of `GET /clips` find (or {"clips": [ids]}), on Label."""
        self.action_go("label")
        self.call_after_refresh(self._ask_page, "open_clips", filters)

    def _ask_page(self, method: str, argument: Any) -> None:
        act = getattr(self._shown(), method, None)
        if act is not None:
            act(argument)

    def _arrived(self) -> None:
        page = self._shown()
        self.box.follow(page.followed if page is not None else ())
        self._describe()
        self._freshen()

    def _freshen(self) -> None:
        """Let the page that is shown look again, if it has to."""
        page = self._shown()
        if page is not None and self.box.connected and not page.fresh:
            self.box.follow(page.followed)
            page.reload()

    def _shown(self) -> Page | None:
        """The page of the present mode, even when a dialog stands in front of it."""
        stack = self.screen_stack
        return stack[0] if stack and isinstance(stack[0], Page) else None

    def _pages(self) -> list[Page]:
        stacks = self._screen_stacks.values()
        return [stack[0] for stack in stacks if stack and isinstance(stack[0], Page)]

    # --- saying things -------------------------------------------------------------------------

    def notify(self, message: str, **more: Any) -> None:
        """A toast; one with the same words goes, so that a key held down fills no screen."""
        for shown in list(self._notifications):
            if (shown.message, shown.title) == (message, more.get("title", "")):
                self._unnotify(shown, refresh=False)
        super().notify(message, **more)

    def _refresh_notifications(self) -> None:
        """Pages and dialogs have a line for them; in front of anything else Textual's toasts."""
        stack = self.screen_stack
        for screen in stack:
            for line in screen.query(MessageLine):
                line.show(self._notifications if screen is stack[-1] else ())
        if not stack or not isinstance(stack[-1], (Page, Dialog)):
            super()._refresh_notifications()

    def say_error(self, error: EarmarkError) -> None:
        """What went wrong and what to do, in the error's own words. That the daemon is away stands
        in the banner already."""
        if self._trouble and not getattr(error, "status", 0):
            return
        text = f"{sentence(error.message)}\n{sentence(error.advice)}".rstrip()
        now = time.monotonic()
        if now - self._said.get(text, -SAME_ERROR_S) < SAME_ERROR_S:
            return
        self._said = {text: now}
        self.notify(text, severity="error", timeout=10, markup=False)

    def action_theme(self) -> None:
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    def action_help(self) -> None:
        page = self._shown()
        if page is None:
            return
        keys = keys_of(self.screen, self)
        rows = [(" ".join(key.shown[:2]), key.words, key.more) for key in keys]
        title = next(entry.title for entry in PAGES if entry.name == page.NAME)
        self.push_screen(Help(title, page.HELP, rows))

    def _describe(self) -> None:
        """Bring top bar and banner of the page that is shown up to date."""
        page = self._shown()
        if page is None or not page.is_mounted:
            return
        parts = []
        if waiting := len(self.outbox):
            parts.append(f"{waiting} to send")
        parts.append("connected" if not self._trouble and self.status else "not connected")
        text = self._trouble or self._note
        # None while the program ends: its parts go before the page.
        for bar in page.query(TopBar):
            bar.show(" · ".join(parts))
        for banner in page.query(Banner):
            banner.show(text, note=not self._trouble)
