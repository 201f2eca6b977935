"""Label: listen, look, and give each clip its label with one key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Input, Static

from appliance.errors import EarmarkError
from tui.clip_list import Clip
from tui.dialogs.choose import Choose
from tui.digits import Digits
from tui.labelling import Labelling, Labels
from tui.page import Page
from tui.pages.label_keys import HELP, KEYS
from tui.pages.label_list import LabelList
from tui.pages.label_names import choose_digit, manage_labels
from tui.pages.label_sound import cut_stretch, delete_clips, hear_here, play
from tui.pictures import Pictures
from tui.widgets.clip_rows import ClipRows
from tui.widgets.clip_sound import ClipSound
from tui.widgets.rows import Rows
from tui.words import sentence

TYPED_S = 0.25
LOOKED_S = 0.12
"""A picture is fetched when the cursor has rested for so long."""


class LabelPage(Page):
    """The inbox and all clips."""

    NAME = "label"
    HELP = HELP
    BINDINGS = KEYS
    DEFAULT_CSS = """
    LabelPage #above { height: 1; }
    LabelPage #where { width: 1fr; height: 1; padding: 0 1; }
    LabelPage #filter { width: 1fr; height: 1; border: none; padding: 0 1; display: none; }
    LabelPage #filter.-shown { display: block; }
    LabelPage #digits { height: 1; padding: 0 1; color: $accent; }
    LabelPage.-slow ClipSound { height: 3; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.list = LabelList(self)
        self._labels: list[dict[str, Any]] = []
        self._pictures = Pictures()
        self._gone: dict[int, Clip] = {}
        """Those that went from the inbox by a key, for undo."""
        self._delays: dict[str, Timer] = {}
        self.digits = Digits()
        self._labelling: Labelling | None = None

    def body(self) -> ComposeResult:
        with Horizontal(id="above"):
            yield Static(id="where", markup=False)
            field = Input(placeholder="words, label:…, mic:…, since:2d, unlabelled", id="filter")
            field.cursor_blink = False
            yield field
        yield ClipRows(lambda one: self.earmark.names.of(one), chooses=False, id="clips")
        yield ClipSound(id="sound")
        yield Static(id="digits", markup=False)

    def on_mount(self) -> None:
        self.set_class(self.earmark.low_bandwidth, "-slow")
        self.query_one(ClipRows).focus()

    # --- what is shown -------------------------------------------------------------------------

    @property
    def labelling(self) -> Labelling:
        if self._labelling is None:
            self._labelling = Labelling(self.outbox, self._labelled, self.earmark.say_error)
        return self._labelling

    async def load(self) -> None:
        names = self.earmark.names
        names.know((await self.box.get("/microphones"))["items"])
        await names.look(self.box)
        self.list.source.microphones = names.ids
        await self.know_labels()
        await self.list.begin(renew=True)

    async def know_labels(self) -> None:
        """Fetch the labels again, for the digits and the dialogs."""
        self._labels = (await self.box.get("/labels"))["items"]
        self._know_digits()
        self.describe()

    def _know_digits(self) -> None:
        before = self.digits.trouble
        self.digits.know(self._labels, self.box.address)
        if self.digits.trouble and not before:
            self.notify(sentence(self.digits.trouble), severity="warning", markup=False)

    @property
    def labels(self) -> list[str]:
        """The names of all labels, the largest class first."""
        return [row["name"] for row in sorted(self._labels, key=lambda row: -row["clips"])]

    def open_clips(self, filters: dict[str, Any]) -> None:
        """Show exactly the clips {"clips": [ids]}; escape shows all of them again."""
        self.list.source.only = list(filters["clips"])
        self.start(self.list.begin)

    def on_clip_rows_wanting(self) -> None:
        self.list.want()

    def heard(self, topic: str, data: dict[str, Any]) -> None:
        self.missed(topic, data)
        if topic == "label":
            # A name may be another one in every line.
            new = data["action"] == "created"
            self.after(
                "labels", 1.0, lambda: self.start(self.list.recount) if new else self.reload()
            )
        elif topic == "clip":
            self.list.heard(data)
        elif topic == "microphone":
            self.list.source.microphones = self.earmark.names.ids

    def missed(self, topic: str, data: dict[str, Any]) -> None:
        if topic == "label" and data["action"] == "renamed":
            self.digits.renamed(data["label"], data["new"])

    def describe(self) -> None:
        """Bring the lines above and below the list up to date."""
        rows = self.query_one(ClipRows)
        known = len(rows.clips)
        number = (
            f"{self.list.count}" if self.list.count is not None else f"{known}{'+' * rows.more}"
        )
        parts = [f"{self.list.source.title}: {number}"]
        if self.list.source.wrong:
            parts = [self.list.source.wrong]
        elif self.list.source.text:
            parts.append(self.list.source.text)
        if rows.marked:
            parts.append(f"{len(rows.marked)} marked")
        elif rows.clip is not None and rows.clip.label is None and rows.clip.reason:
            parts.append(rows.clip.reason)  # in full: the list may have to cut it
        self.query_one("#where", Static).update("  ·  ".join(parts), layout=False)
        line = self.digits.line(max(20, self.size.width - 2))
        self.query_one("#digits", Static).update(line, layout=False)

    # --- the picture ---------------------------------------------------------------------------

    def on_rows_moved(self, event: Rows.Moved) -> None:
        self.describe()
        self.look_soon()

    def look_soon(self) -> None:
        clip, sound = self.query_one(ClipRows).clip, self.query_one(ClipSound)
        picture = self._pictures.of(clip, sound)
        sound.show(clip, picture)
        if clip is not None and picture is None and not self.earmark.low_bandwidth:
            self.after("look", LOOKED_S, lambda: self.start(self._look))

    async def _look(self) -> None:
        rows, sound = self.query_one(ClipRows), self.query_one(ClipSound)
        clip = rows.clip
        if clip is None or self._pictures.of(clip, sound) is not None:
            return
        try:
            picture = await self._pictures.fetch(self.box, clip, sound)
        except EarmarkError as error:
            sound.say(error.message)
            return
        if rows.clip is not None and rows.clip.id == clip.id:
            sound.show(rows.clip, picture)

    def after(self, name: str, seconds: float, work: Any) -> None:
        """Do `work` when nothing of that name has come for `seconds`."""
        if name in self._delays:
            self._delays[name].stop()
        self._delays[name] = self.set_timer(seconds, work)

    # --- labels --------------------------------------------------------------------------------

    def action_digit(self, digit: str) -> None:
        if not digit:
            self._give(None)
        elif digit in self.digits.labels:
            self._give(self.digits.labels[digit])
        else:
            self.notify(f"No label has the digit {digit}: m chooses.", timeout=3)

    def action_accept(self) -> None:
        if not self.steady(self.query_one(ClipRows), "clip"):
            return
        clip = self.query_one(ClipRows).clip
        suggested = clip.suggested if clip else None
        if suggested:
            self._give_made(suggested)
        else:
            self.notify("Nothing is suggested for this clip; l finds a label.", timeout=3)

    def action_choose(self) -> None:
        self.start(self._choose)

    async def _choose(self) -> None:
        # Those that were meant when it was pressed, whatever happens to the list meanwhile.
        clips = self.query_one(ClipRows).meant() if self.steady_clips() else []
        if not clips:
            return
        title = "Which label?"
        chosen = await self.app.push_screen_wait(Choose(title, self.labels, new="New label"))
        if chosen:
            self._give_made(chosen, clips)

    def _give_made(self, label: str, clips: Sequence[Clip] | None = None) -> None:
        """Give a label that may not exist yet: a version from another box suggests its own."""
        if label not in self.labels:
            self.outbox.post(f"label {label}", "post", "/labels", {"name": label})
            self._labels.append({"name": label, "clips": 0, "sessions": 0})
            self._know_digits()
        self._give(label, clips)

    def steady_clips(self) -> bool:
        """Whether a key is for what is marked, or for the clip under the cursor."""
        rows = self.query_one(ClipRows)
        return bool(rows.marked) or self.steady(rows, "clip")

    def _give(self, label: str | None, clips: Sequence[Clip] | None = None) -> None:
        rows = self.query_one(ClipRows)
        if clips is None:
            clips = rows.meant() if self.steady_clips() else ()
        if not clips:
            return
        single = len(clips) == 1
        if self.list.source.leaves:
            self._gone.update((clip.id, clip) for clip in clips)
        self.labelling.give({clip.id: clip.label for clip in clips}, label)
        rows.mark_none()
        if single and label is not None and not self.list.source.leaves:
            rows.next_unlabelled()
        rows.settle()
        self.describe()

    def _labelled(self, labels: Labels) -> None:
        """Draw what clips are labelled now; in the inbox, labelled ones leave and come back."""
        rows = self.query_one(ClipRows)
        went, absent = rows.relabel(labels, leave=self.list.source.leaves)
        back = []
        if self.list.source.leaves:
            free = (clip for clip in absent if labels[clip] is None)
            back = [self._gone.pop(clip) for clip in free if clip in self._gone]
            for clip in back:
                clip.label = None
            if back:
                rows.put_back(back)
        if self.list.count is not None:
            self.list.count += len(back) - went
        self.describe()
        self.look_soon()

    def action_undo(self) -> None:
        change = self.labelling.undo()
        self.query_one(ClipRows).settle()
        self.notify(f"Taken back: {change.words}" if change else "Nothing to undo.", timeout=2)

    def action_redo(self) -> None:
        change = self.labelling.redo()
        self.query_one(ClipRows).settle()
        self.notify(f"Again: {change.words}" if change else "Nothing to redo.", timeout=2)

    def action_next(self) -> None:
        if not self.query_one(ClipRows).next_unlabelled():
            self.notify("Every clip below has a label.", timeout=2)

    def action_mark(self) -> None:
        if self.steady(self.query_one(ClipRows), "clip"):
            self.query_one(ClipRows).mark()
        self.describe()

    def action_mark_range(self) -> None:
        self.query_one(ClipRows).mark_range()
        self.describe()

    def action_digits(self) -> None:
        self.start(choose_digit, self)

    def action_names(self) -> None:
        self.start(manage_labels, self)

    # --- finding -------------------------------------------------------------------------------

    def action_inbox(self) -> None:
        if self.list.source.only is None:
            self.list.source.inbox = not self.list.source.inbox
        self.list.source.only = None
        self.start(self.list.begin)

    def action_find(self) -> None:
        field = self.query_one("#filter", Input)
        field.add_class("-shown")
        self.set_focus(field)  # at once: the next key is for it

    def on_input_changed(self, event: Input.Changed) -> None:
        self.list.source.text = event.value.strip()
        if self.list.source.text:
            self.list.source.only = None
        self.after("find", TYPED_S, lambda: self.start(self.list.begin))

    def on_input_submitted(self) -> None:
        self.query_one(ClipRows).settle()  # what is found stands there, and is gone over to
        self.set_focus(self.query_one(ClipRows))

    def action_back(self) -> None:
        rows, field = self.query_one(ClipRows), self.query_one("#filter", Input)
        if field.has_focus or field.value:
            field.value = ""
            field.remove_class("-shown")
            self.set_focus(rows)
        elif rows.mark_none():
            self.describe()
        elif self.list.source.only is not None:
            self.list.source.only = None
            self.list.source.inbox = False
            self.start(self.list.begin)

    # --- hearing and cutting -------------------------------------------------------------------

    def action_play(self) -> None:
        self.start(play, self)

    def action_link(self) -> None:
        self.start(hear_here, self)

    def action_point(self, columns: int) -> None:
        self.query_one(ClipSound).move(columns)

    def action_begin(self) -> None:
        self.query_one(ClipSound).begin()

    def action_end(self) -> None:
        if not self.query_one(ClipSound).end():
            self.notify("Move the marker with left and right first.", timeout=3)

    def action_cut(self) -> None:
        self.start(cut_stretch, self)

    def action_delete(self) -> None:
        self.start(delete_clips, self)
