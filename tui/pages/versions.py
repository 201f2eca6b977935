"""Versions: how good each is, what it comes from, and which one listens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from appliance.client import Client, quoted
from appliance.text import safe
from appliance.units import human_size
from tui.dialogs.ask import Ask
from tui.dialogs.choose import Choose
from tui.dialogs.confirm import Confirm
from tui.dialogs.text import TextDialog
from tui.page import Page
from tui.pages.versions_live import Live
from tui.version_words import (
    certificate_words,
    comparison_words,
    evaluation_words,
    lineage_words,
    training_words,
)
from tui.widgets.going_live import GoingLive
from tui.widgets.matrix import Matrix
from tui.widgets.rows import Rows
from tui.widgets.version_rows import VersionRows

SECTIONS = ("Evaluation", "Confusion", "Training", "Lineage", "Certificate")
SETTLE_S = 0.15
"""The cursor has to rest so long before a version is fetched."""


class VersionsPage(Page):
    """The list above; of the version under the cursor, one section below."""

    NAME = "versions"
    HELP = (
        "Every version that was trained here or imported. 1 to 5 show its sections; on the "
        "confusion matrix Enter opens the clips of a cell. Before a version listens it is heard "
        "against the one that does, on labelled clips and the last hours, and then compiled for "
        "this device: one that is worse, or whose engine does not agree with its training, is "
        "refused with its figures, and what listened goes on. w shows the figures, and lets you "
        "deploy it all the same. To compare: + marks one, = compares it with the one under the "
        "cursor."
    )
    BINDINGS = [
        *[
            Binding(str(place + 1), f"section({place})", name, show=False)
            for place, name in enumerate(SECTIONS)
        ],
        Binding("d", "deploy", "Deploy", tooltip="let it listen"),
        Binding("s", "shadow", "Shadow", tooltip="listen silently beside the other; its end"),
        Binding("w", "why", "Report", tooltip="what was gained and lost; deploy it all the same"),
        Binding("x", "stop", "Stop", show=False, tooltip="the comparison or the engine under way"),
        Binding("a", "against", "Against", show=False, tooltip="hear it against another one"),
        Binding("b", "roll_back", "Roll back", tooltip="to what listened before"),
        Binding("plus,space", "mark", "Mark", key_display="+"),
        Binding("equals_sign,c", "compare", "Compare", key_display="="),
        Binding("n", "note", "Note"),
        Binding("e", "export", "Export", tooltip="as one file, for another box"),
        Binding("delete,D", "delete", "Delete", key_display="Del"),
        Binding("escape", "seen", "Seen", show=False, tooltip="how the last comparison ended"),
    ]
    TOPICS = frozenset({"version", "deployment", "job", "comparison", "engine", "shadow"})
    TELLS = frozenset({"comparison"})
    DEFAULT_CSS = """
    VersionsPage #versions { height: auto; max-height: 8; }
    VersionsPage #sections { height: auto; padding: 0 1; border-top: solid $panel; }
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
        self.live = Live(self)

    def body(self) -> ComposeResult:
        yield VersionRows(id="versions")
        yield GoingLive(id="going")
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
        await self.live.look()
        rows.update_all(found)
        if self._wanted and rows.go_to(self._wanted):
            self._wanted = ""
        await self._detail()

    def heard(self, topic: str, data: dict[str, Any]) -> None:
        ended = topic == "job" and data["state"] in ("completed", "cancelled")
        if topic == "comparison":
            self.live.compared(data["comparison"])
        elif topic == "engine":
            self.query_one(GoingLive).build(data)
        elif topic == "shadow":
            self.live.shadowed(data["shadow"])
        elif topic in ("version", "deployment") or ended:
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
        meant = self._looked_at()
        version, section = meant
        self._show_sections()
        if version is None:
            self.query_one("#text", Static).update("")
            return
        show = await self._fetched(version, section)
        if self._looked_at() == meant:
            show()
        # Else the person went on while it came, and what they look at now is being fetched.

    def _looked_at(self) -> tuple[str | None, str]:
        """The name of the version under the cursor, and the section that is open."""
        version = self._selected()
        return (version["name"] if version else None), SECTIONS[self._section]

    async def _fetched(self, name: str, section: str) -> Callable[[], object]:
        """A section of version `name`, fetched; the call shows it."""
        path = f"/versions/{quoted(name)}"
        if section == "Confusion":
            evaluation = await self.box.get(f"{path}/evaluation")
            return partial(self._show_matrix, evaluation)
        if section == "Evaluation":
            words = evaluation_words(await self.box.get(f"{path}/evaluation"))
        elif section == "Training":
            words = training_words(await self.box.get(path), await self.box.get(f"{path}/card"))
        elif section == "Lineage":
            await self.earmark.names.look(self.box)
            words = lineage_words(await self.box.get(f"{path}/lineage"), self.earmark.names.of)
        else:
            known = (await self.box.get("/deployments"))["items"]
            words = certificate_words([row for row in known if row["version"] == name])
        return partial(self.query_one("#text", Static).update, words)

    def _show_matrix(self, evaluation: dict[str, Any]) -> None:
        self._evaluation = evaluation
        confusion = evaluation["confusion"]
        self.query_one(Matrix).show(confusion["labels"], confusion["counts"])

    def _show_sections(self) -> None:
        parts = []
        for place, name in enumerate(SECTIONS):
            here = place == self._section
            shown = f"[{name}]" if here else f" {name} "
            part = Content.assemble((str(place + 1), "$secondary"), (shown, "bold" * here))
            parts.append(part.stylize(f"@click=screen.section({place})"))
        lines = [Content(" ").join(parts)]
        version = self._selected()
        if version is not None and version.get("optimistic"):
            # Whatever of it is looked at: the figures promise more than the box will keep.
            words = f"! {version['name']} is optimistic: {safe(version['optimistic'])}"
            lines.append(Content.assemble((words, "$warning")))
        self.query_one("#sections", Static).update(Content("\n").join(lines))
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
        version = self._selected()
        if version is not None and version["source"] == "imported":
            # The numbers of its clips are those of another box: here they are other sounds.
            self.notify("It was imported: its clips lie on the box that trained it.", timeout=4)
            return
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

    def _meant(self) -> dict[str, Any] | None:
        """The version under the cursor; that there is none is said."""
        version = self._selected()
        if version is None:
            self.notify("No version yet: train one on F4.", timeout=3)
            return None
        return version if self.steady(self.query_one(VersionRows), "version") else None

    def action_deploy(self) -> None:
        if version := self._meant():
            self.start(self.live.deploy, version["name"], group="deploy")

    def action_shadow(self) -> None:
        if version := self._meant():
            self.start(self.live.shadow, version["name"], group="shadow")

    def action_why(self) -> None:
        if version := self._meant():
            self.start(self.live.why, version["name"], group="report")

    def action_stop(self) -> None:
        self.start(self.live.stop, group="stop")

    def action_against(self) -> None:
        if version := self._meant():
            self.start(self._against, version["name"])

    async def _against(self, name: str) -> None:
        if (other := await self._other(name)) is not None:
            await self.live.against(other, name)

    def action_roll_back(self) -> None:
        self.start(self.live.roll_back, group="roll back")

    def action_seen(self) -> None:
        self.query_one(GoingLive).dismissed()

    def action_mark(self) -> None:
        if version := self._meant():
            self.query_one(VersionRows).mark(version["name"])

    def action_compare(self) -> None:
        self.start(self._compare)

    async def _compare(self) -> None:
        version = self._meant()
        if version is None or (other := await self._other(version["name"])) is None:
            return
        sides = [(await self._both(name)) for name in (other, version["name"])]
        title = f"{other} and {version['name']}"
        await self.ask(TextDialog(title, comparison_words(sides)))

    async def _other(self, name: str) -> str | None:
        """The marked version, or one that is chosen now, to hold `name` against."""
        rows = self.query_one(VersionRows)
        if rows.marked not in (None, name):
            return rows.marked
        others = [one for one in rows.names if one != name]
        if not others:
            self.notify("There is no other version to compare with.", timeout=3)
            return None
        chosen: str | None = await self.app.push_screen_wait(Choose(f"{name} against", others))
        return chosen

    async def _both(self, name: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        path = f"/versions/{quoted(name)}"
        return await self.box.get(path), await self.box.get(f"{path}/evaluation")

    def action_note(self) -> None:
        self.start(self._note)

    async def _note(self) -> None:
        version = self._meant()
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
        version = self._meant()
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
        version = self._meant()
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
