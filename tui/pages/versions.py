"""Versions: how good each is, what it comes from, and which one listens."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from appliance.client import Client, ClientError, quoted
from appliance.text import safe
from appliance.units import human_size
from tui.dialogs.ask import Ask
from tui.dialogs.choose import Choose
from tui.dialogs.confirm import Confirm
from tui.dialogs.text import TextDialog
from tui.page import Page
from tui.version_words import (
    certificate_words,
    comparison_words,
    evaluation_words,
    lineage_words,
    training_words,
)
from tui.widgets.matrix import Matrix
from tui.widgets.rows import Rows
from tui.widgets.version_rows import VersionRows

SECTIONS = ("Evaluation", "Confusion", "Training", "Lineage", "Certificate")
PRECISIONS = ("fp32", "fp16", "int8")
SHADOWS = ("/shadow", "/shadows")
"""Where a daemon that knows shadows takes them."""
SETTLE_S = 0.15
"""The cursor has to rest so long before a version is fetched."""


class VersionsPage(Page):
    """The list above; of the version under the cursor, one section below."""

    NAME = "versions"
    HELP = (
        "Every version that was trained here or imported. 1 to 5 show its sections; on the "
        "confusion matrix Enter opens the clips of a cell. Deploying compiles the version for "
        "this device, compares the engine with the training, and refuses one that does not agree; "
        "what listened before goes on until then. To compare: + marks one, = compares it with the "
        "one under the cursor."
    )
    BINDINGS = [
        *[
            Binding(str(place + 1), f"section({place})", name, show=False)
            for place, name in enumerate(SECTIONS)
        ],
        Binding("d", "deploy", "Deploy", tooltip="let it listen"),
        Binding("s", "shadow", "Shadow", tooltip="let it listen silently beside the other"),
        Binding("b", "roll_back", "Roll back", tooltip="to what listened before"),
        Binding("plus,space", "mark", "Mark", key_display="+"),
        Binding("equals_sign,c", "compare", "Compare", key_display="="),
        Binding("n", "note", "Note"),
        Binding("e", "export", "Export", tooltip="as one file, for another box"),
        Binding("delete,D", "delete", "Delete", key_display="Del"),
    ]
    TOPICS = frozenset({"version", "deployment", "job"})
    DEFAULT_CSS = """
    VersionsPage #versions { height: 8; }
    VersionsPage #sections { height: 1; padding: 0 1; border-top: solid $panel; height: 2; }
    VersionsPage #detail { height: 1fr; padding: 0 1; }
    VersionsPage #matrix { display: none; }
    VersionsPage.-matrix #matrix { display: block; }
    VersionsPage.-matrix #detail { display: none; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._section = 0
        self._evaluation: dict[str, Any] = {}
        self._wanted = ""

    def body(self) -> ComposeResult:
        yield VersionRows(id="versions")
        yield Static(id="sections")
        with VerticalScroll(id="detail"):
            yield Static(id="text")
        yield Matrix(id="matrix")

    def on_mount(self) -> None:
        self.query_one("#versions").focus()
        self._show_sections()

    # --- what is shown -------------------------------------------------------------------------

    async def load(self) -> None:
        found = (await self.box.get("/versions"))["items"]
        rows = self.query_one(VersionRows)
        rows.update_all(found, await self._shadow_now())
        if self._wanted and rows.go_to(self._wanted):
            self._wanted = ""
        await self._detail()

    async def _shadow_now(self) -> str:
        """The version that listens silently, where the daemon knows such a thing."""
        for path in SHADOWS:
            if await self.box.knows("get", path):
                answer = await self.box.get(path)
                current = answer.get("current") if isinstance(answer, dict) else None
                return str(current["version"]) if current else ""
        return ""

    def heard(self, topic: str, data: dict[str, Any]) -> None:
        ended = topic == "job" and data["state"] in ("completed", "cancelled")
        if topic in ("version", "deployment") or ended:
            self.reload()

    def open_version(self, name: str) -> None:
        """Put the cursor on `name`, as soon as the list is there."""
        if not self.query_one(VersionRows).go_to(name):
            self._wanted = name

    def on_rows_moved(self, event: Rows.Moved) -> None:
        self.start(self._settled, group="detail")

    async def _settled(self) -> None:
        await asyncio.sleep(SETTLE_S)
        await self._detail()

    async def _detail(self) -> None:
        version = self.query_one(VersionRows).selected
        text = self.query_one("#text", Static)
        if version is None:
            text.update("")
            return
        path = f"/versions/{quoted(version['name'])}"
        name = SECTIONS[self._section]
        if name == "Evaluation":
            text.update(evaluation_words(await self.box.get(f"{path}/evaluation")))
        elif name == "Confusion":
            self._evaluation = await self.box.get(f"{path}/evaluation")
            confusion = self._evaluation["confusion"]
            self.query_one(Matrix).show(confusion["labels"], confusion["counts"])
        elif name == "Training":
            text.update(training_words(version, await self.box.get(f"{path}/card")))
        elif name == "Lineage":
            text.update(lineage_words(await self.box.get(f"{path}/lineage")))
        else:
            known = (await self.box.get("/deployments"))["items"]
            own = [row for row in known if row["version"] == version["name"]]
            text.update(certificate_words(own))

    def _show_sections(self) -> None:
        parts = []
        for place, name in enumerate(SECTIONS):
            here = place == self._section
            shown = f"[{name}]" if here else f" {name} "
            part = Content.assemble((str(place + 1), "$secondary"), (shown, "bold" * here))
            parts.append(part.stylize(f"@click=screen.section({place})"))
        self.query_one("#sections", Static).update(Content(" ").join(parts))
        self.set_class(SECTIONS[self._section] == "Confusion", "-matrix")

    def action_section(self, place: int) -> None:
        self._section = place
        self._show_sections()
        self.query_one("#matrix" if self.has_class("-matrix") else "#versions").focus()
        self.query_one("#detail", VerticalScroll).scroll_home(animate=False)
        self.start(self._detail)

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        self.query_one("#matrix" if self.has_class("-matrix") else "#detail").focus()

    def on_matrix_opened(self, event: Matrix.Opened) -> None:
        clips = [
            one["clip"]
            for one in self._evaluation.get("predictions", [])
            if (one["label"], one["predicted"]) == (event.label, event.predicted)
        ]
        if clips:
            self.earmark.open_clips({"clips": clips})
        else:
            self.notify("No clip of this box is behind that cell.", timeout=3)

    # --- what the keys do ----------------------------------------------------------------------

    def _selected(self) -> dict[str, Any] | None:
        return self.query_one(VersionRows).selected

    def action_deploy(self) -> None:
        self.start(self._deploy)

    async def _deploy(self) -> None:
        version = self._selected()
        if version is None:
            return
        name = version["name"]
        question = f"Deploy {name} with which precision?"
        precision = await self.app.push_screen_wait(Choose(question, PRECISIONS))
        if precision is not None:
            await self._go_live({"version": name, "precision": precision})

    async def _go_live(self, body: dict[str, Any]) -> None:
        words = f"{body['version']} is compiled for this device and compared with its training …"
        self.notify(words, timeout=5, markup=False)
        try:
            answer = await self.box.post("/deployments", body)
        except ClientError as error:
            if not str(error.problem.get("type", "")).endswith(":regression"):
                raise
            # It is worse than what listens: a person may know better.
            reasons = "\n".join(safe(reason) for reason in error.reasons) or safe(error.message)
            question = f"{body['version']} is worse than what listens. Deploy it all the same?"
            if await self.app.push_screen_wait(Confirm(question, reasons, yes="Deploy")):
                await self._go_live({**body, "force": True})
            return
        if "certificate" not in answer:
            self.notify("It is still being compared: the deployment follows by itself.")

    def action_shadow(self) -> None:
        self.start(self._shadow)

    async def _shadow(self) -> None:
        version = self._selected()
        if version is None:
            return
        for path in SHADOWS:
            if await self.box.knows("post", path):
                await self.box.post(path, {"version": version["name"]})
                self.notify(f"{version['name']} listens silently beside the other.", markup=False)
                self.reload()
                return
        self.notify("This daemon cannot let a version listen silently.", severity="warning")

    def action_roll_back(self) -> None:
        self.start(self._roll_back)

    async def _roll_back(self) -> None:
        if await self.app.push_screen_wait(
            Confirm("Let the version before listen again?", yes="Roll back")
        ):
            await self.box.post("/deployments/rollback")

    def action_mark(self) -> None:
        if version := self._selected():
            self.query_one(VersionRows).mark(version["name"])

    def action_compare(self) -> None:
        self.start(self._compare)

    async def _compare(self) -> None:
        rows, version = self.query_one(VersionRows), self._selected()
        if version is None:
            return
        other = rows.marked
        if other is None or other == version["name"]:
            others = [name for name in rows.names if name != version["name"]]
            if not others:
                self.notify("There is no other version to compare with.", timeout=3)
                return
            question = f"Compare {version['name']} with"
            other = await self.app.push_screen_wait(Choose(question, others))
            if other is None:
                return
        sides = [(await self._both(name)) for name in (other, version["name"])]
        title = f"{other} and {version['name']}"
        self.app.push_screen(TextDialog(title, comparison_words(sides)))

    async def _both(self, name: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        path = f"/versions/{quoted(name)}"
        return await self.box.get(path), await self.box.get(f"{path}/evaluation")

    def action_note(self) -> None:
        self.start(self._note)

    async def _note(self) -> None:
        version = self._selected()
        if version is None:
            return
        title = f"A note on {version['name']}"
        text = await self.app.push_screen_wait(Ask(title, value=version["note"]))
        if text is not None:
            await self.box.patch(f"/versions/{quoted(version['name'])}", {"note": text})
            self.reload()

    def action_export(self) -> None:
        self.start(self._export)

    async def _export(self) -> None:
        version = self._selected()
        if version is None:
            return
        name = version["name"]
        place = await self.app.push_screen_wait(
            Ask(
                f"Export {name} to which file?",
                value=f"earmark-{name}.zip",
                detail="On the computer where this screen runs.",
                check=_writable,
            )
        )
        if place is None:
            return
        target = Path(place).expanduser()

        def save(client: Client) -> Path:
            return client.download(f"/versions/{quoted(name)}/export", target)

        written = await self.box.call(save)
        size = human_size(written.stat().st_size)
        self.notify(f"{safe(written)}, {size}", title=f"{name} is exported", markup=False)

    def action_delete(self) -> None:
        self.start(self._delete)

    async def _delete(self) -> None:
        version = self._selected()
        if version is None:
            return
        question = f"Delete {version['name']} for ever?"
        detail = "Its weights go; its figures and its number stay in histories."
        if await self.app.push_screen_wait(Confirm(question, detail, yes="Delete")):
            await self.box.delete(f"/versions/{quoted(version['name'])}")
            self.reload()


def _writable(text: str) -> str:
    """What is wrong with a place for a file, in words."""
    path = Path(text).expanduser()
    if not text.strip() or path.is_dir():
        return "Give the name of a file."
    if path.exists():
        return "That file exists: give another name."
    if not path.parent.is_dir():
        return f"There is no folder {safe(path.parent)}."
    return ""
