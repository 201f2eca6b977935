"""Train: what is ready, a training in two steps, the queue, and the one that runs."""

from __future__ import annotations

import time
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button

from appliance.text import moment, safe
from tui.dialogs.confirm import Confirm
from tui.dialogs.text import TextDialog
from tui.dialogs.training import Training, asker
from tui.page import Page
from tui.widgets.job_panel import JobPanel
from tui.widgets.job_rows import ENDED, IN_SLOT, JobRows
from tui.widgets.notes import Notes
from tui.widgets.readiness_rows import ReadinessRows
from tui.widgets.rows import Rows

JOBS = 50
LOOK_EVERY_S = 1.0
DEVICE_EVERY = 5
WHAT_CHANGES = ("clip", "label")


class TrainPage(Page):
    """Readiness at the left, the running training at the right, the queue below."""

    NAME = "train"
    HELP = (
        "A training takes what is labelled now, keeps it as a dataset version, and makes the next "
        "version (V001, V002, ...) of it. It needs at least 2 classes with 5 clips each. The queue "
        "has one place: others wait. Leaving this screen or the program stops no training; "
        "cancelling one keeps its best model so far."
    )
    BINDINGS = [
        Binding("n", "train", "Train", tooltip="configure a training, look at it, submit it"),
        Binding("x", "cancel", "Cancel", tooltip="the training under the cursor"),
        Binding("l", "log", "Log", tooltip="what the training under the cursor wrote"),
        Binding("w", "notes", "Notes", show=False, tooltip="all that hinders or hurts a training"),
        Binding("v", "version", "Its version", show=False, tooltip="show what came of it"),
    ]
    DEFAULT_CSS = """
    TrainPage #upper { height: 1fr; }
    TrainPage #ready { width: 40%; min-width: 44; max-width: 60; border-right: solid $panel; }
    TrainPage #why { height: auto; padding: 0 1; }
    TrainPage #train { margin: 0 1; }
    TrainPage #jobs { height: 8; border-top: solid $panel; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._readiness: dict[str, Any] = {}
        self._outdated = False
        self._asked = 0
        self._looked = 0.0
        self._beats = 0

    def body(self) -> ComposeResult:
        with Horizontal(id="upper"):
            with Vertical(id="ready"):
                yield ReadinessRows(id="readiness")
                yield Notes("w", id="why")
                yield Button(
                    "Train (n)", id="train", variant="primary", disabled=True, compact=True
                )
            yield JobPanel(id="job")
        yield JobRows(id="jobs")

    def on_mount(self) -> None:
        self.query_one("#jobs").focus()

    # --- what is shown -------------------------------------------------------------------------

    async def load(self) -> None:
        await self._look_ready()
        await self._look_queue()
        await self._follow()

    async def _look_ready(self) -> None:
        self._outdated = False
        self._asked = asked = self._asked + 1
        readiness = await self.box.get("/readiness")
        if asked != self._asked:
            return  # asked again since: an answer on its way is newer
        self._readiness = readiness
        self.query_one(ReadinessRows).update_all(self._readiness)
        self.query_one(Notes).say(self._why())
        self.query_one("#train", Button).disabled = not self._readiness["ready"]

    def _why(self) -> list[Content]:
        if self._readiness["ready"]:
            lines = [Content.assemble(("✓ ready to train", "bold $success"))]
            lines += [Content(safe(warning)) for warning in self._readiness["warnings"]]
        else:
            lines = [Content.assemble(("! not ready, because", "bold $warning"))]
            lines += [Content(safe(reason)) for reason in self._readiness["reasons"]]
        return lines

    async def _follow(self) -> None:
        """Show the job that runs, else the one that ended last."""
        rows = self.query_one(JobRows)
        job = rows.running or rows.latest
        points = []
        if job is not None:
            points = (await self.box.get(f"/jobs/{job['id']}/progress"))["items"]
            job = rows.get(job["id"]) or job  # it may have ended while they came
        self.query_one(JobPanel).begin(job, points)
        await self._look_device()

    async def _look_device(self) -> None:
        self.query_one(JobPanel).device(await self.box.get_known("/board"))

    def heard(self, topic: str, data: dict[str, Any]) -> None:
        if topic in WHAT_CHANGES:
            self._outdated = True
        elif topic == "job":
            rows, panel = self.query_one(JobRows), self.query_one(JobPanel)
            rows.put(data)
            if data["id"] == panel.job:
                panel.tell(data)
            elif data["state"] in IN_SLOT:
                self.start(self._follow)
            if data["state"] in (*ENDED, "queued", "starting"):
                self.start(self._look_queue)  # the others have moved up

    def beat(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_S or not self.box.connected:
            return
        self._looked = now
        if self._outdated:
            self.start(self._look_ready)
        self._beats += 1
        if self._beats % DEVICE_EVERY == 0 and self.query_one(JobRows).running is not None:
            self.start(self._look_device)

    async def _look_queue(self) -> None:
        rows = self.query_one(JobRows)
        rows.expect()
        jobs = await self.box.get("/jobs", limit=JOBS)
        rows.update_all(jobs["items"])

    # --- what the keys do ----------------------------------------------------------------------

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.action_train()

    def action_train(self) -> None:
        self.start(self._train)

    async def _train(self) -> None:
        await self._look_ready()
        if not self._readiness["ready"]:
            reasons = "\n".join(safe(reason) for reason in self._readiness["reasons"])
            self.notify(reasons, title="Not ready to train", severity="warning", markup=False)
            return
        first = await self.box.get("/jobs/specification")
        versions = [row["name"] for row in (await self.box.get("/versions"))["items"]]
        body = await self.ask(Training(first, versions, asker(self.box.get)))
        if body is None:
            return
        job = await self.box.post("/jobs", body)
        rows = self.query_one(JobRows)
        rows.put(job)
        rows.go_to(job["id"])
        place = f", number {job['position']} in the queue" if job["position"] else ""
        self.notify(f"Training {job['id']} is {job['state']}{place}.", markup=False)

    def action_cancel(self) -> None:
        self.start(self._cancel)

    async def _cancel(self) -> None:
        rows = self.query_one(JobRows)
        job = rows.selected
        if job is None or not self.steady(rows, "training"):
            return
        if job["state"] in ENDED:
            self.notify(f"Training {job['id']} has ended already.", timeout=3)
            return
        detail = (
            "Its best model so far becomes a version."
            if job["state"] in IN_SLOT
            else "It has not begun; its dataset version stays."
        )
        question = f"Cancel training {job['id']}?"
        if await self.app.push_screen_wait(Confirm(question, detail, yes="Cancel it", no="Keep")):
            self.query_one(JobRows).put(await self.box.post(f"/jobs/{job['id']}/cancel"))

    def action_log(self) -> None:
        self.start(self._log)

    async def _log(self) -> None:
        job = self.query_one(JobRows).selected
        if job is None:
            return
        events = (await self.box.get(f"/jobs/{job['id']}/events"))["items"]
        text = str(await self.box.get(f"/jobs/{job['id']}/log") or "")
        lines = [
            safe(f"{moment(one['at'])}  {one['state']} {one['reason'] or ''} {one['detail'] or ''}")
            for one in events
        ]
        lines += ["", *[safe(line) for line in text.splitlines()]]
        title = f"Training {job['id']}: its moves, and what it wrote"
        await self.ask(TextDialog(title, Content("\n".join(lines)), end=True))

    def action_notes(self) -> None:
        self.start(self._notes)

    async def _notes(self) -> None:
        await self.ask(TextDialog("Is it ready to train?", self.query_one(Notes).all))

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        self.action_version()

    def action_version(self) -> None:
        job = self.query_one(JobRows).selected
        if job is not None and job["version"]:
            self.earmark.open_version(job["version"])
