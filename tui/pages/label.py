"""Label: listen, look, and give each clip its label with one key."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import Input, Static

from appliance.errors import EarmarkError
from tui.dialogs.choose import Choose
from tui.digits import DIGITS, Digits
from tui.filters import parse
from tui.labelling import Labelling, Labels
from tui.page import Page
from tui.pages.label_names import choose_digit, manage_labels
from tui.pages.label_sound import cut_stretch, delete_clips, hear_here, play
from tui.widgets.clip_rows import ClipRows
from tui.widgets.clip_sound import ClipSound
from tui.widgets.rows import Rows

PAGE = 200
TYPED_S = 0.25
LOOKED_S = 0.12
"""A picture is fetched when the cursor has rested for so long."""
MOST_ADDED = 20


class LabelPage(Page):
    """The inbox and all clips."""

    NAME = "label"
    HELP = (
        "The inbox holds the clips without a label, those first that would teach the box most, "
        "each with what the box would say (Enter accepts it). A digit gives its label and goes on "
        "to the next clip. Space marks several, v a range, and the next key is for all of them. "
        "Nothing waits for the line: labels are shown at once and sent behind. / finds clips: "
        "words of the file's name, label:kettle, mic:yard, session:17, source:trigger, since:2d, "
        "unlabelled. Move the marker under the picture with left and right; [ and ] mark a "
        "stretch, and x cuts it out as a clip of its own."
    )
    BINDINGS = [
        *[
            Binding(digit, f"digit('{digit}')", f"Label {digit}", show=False, tooltip="its label")
            for digit in DIGITS
        ],
        Binding("enter", "accept", "Accept", tooltip="the suggested label"),
        Binding("l", "choose", "Label…", tooltip="find a label by typing, or make one"),
        Binding("0", "digit('')", "No label", show=False, tooltip="take the label away"),
        Binding("space", "mark", "Mark"),
        Binding("v", "mark_range", "Range", show=False, tooltip="mark up to here"),
        Binding("u", "undo", "Undo"),
        Binding("r", "redo", "Redo", show=False),
        Binding("n", "next", "Next unlabelled", show=False),
        Binding("p", "play", "Play", tooltip="on the box's own speaker"),
        Binding("o", "link", "Hear here", tooltip="a link for your own browser, for 5 minutes"),
        Binding("slash", "find", "Find", key_display="/"),
        Binding("i", "inbox", "Inbox/all"),
        Binding("left", "point(-1)", "Marker left", show=False),
        Binding("right", "point(1)", "Marker right", show=False),
        Binding("shift+left", "point(-8)", "Marker far left", show=False),
        Binding("shift+right", "point(8)", "Marker far right", show=False),
        Binding("left_square_bracket", "begin", "Stretch begins", show=False, key_display="["),
        Binding("right_square_bracket", "end", "Stretch ends", show=False, key_display="]"),
        Binding("x", "cut", "Cut", show=False, tooltip="the stretch becomes a clip of its own"),
        Binding("m", "digits", "Digits", show=False, tooltip="which digit gives which label"),
        Binding("g", "names", "Labels", show=False, tooltip="create, rename, merge, delete"),
        Binding("delete", "delete", "Delete", show=False, tooltip="the marked clips, for ever"),
        Binding("escape", "back", "Back", show=False, tooltip="from the filter, from marks"),
    ]
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
        self._inbox = True
        self._text = self._wrong = ""
        self._cursor: str | None = None
        self._fetching = False
        self._count: int | None = None
        self._microphones: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._labels: list[dict[str, Any]] = []
        self._pictures: dict[tuple[int, int, int], dict[str, Any]] = {}
        self._gone: dict[int, dict[str, Any]] = {}
        self._delays: dict[str, Timer] = {}
        self.digits = Digits()
        self._labelling: Labelling | None = None

    def body(self) -> ComposeResult:
        with Horizontal(id="above"):
            yield Static(id="where", markup=False)
            field = Input(placeholder="words, label:…, mic:…, since:2d, unlabelled", id="filter")
            field.cursor_blink = False
            yield field
        yield ClipRows(self._name_of, id="clips")
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
        views = (await self.box.get("/microphones"))["items"]
        self._microphones = {view["name"]: view["id"] for view in views}
        self._names = {view["id"]: view["name"] for view in views}
        await self.know_labels()
        await self._begin()

    async def _recount(self) -> None:
        """Labels were given or changed, here or elsewhere: how many clips have which now."""
        if self._count is not None and not len(self.outbox):
            self._count = (await self.box.get("/inbox/summary"))["clips"]
        await self.know_labels()

    async def know_labels(self) -> None:
        """Fetch the labels again, for the digits and the dialogs."""
        self._labels = (await self.box.get("/labels"))["items"]
        self.digits.know(self._labels)
        self.describe()

    @property
    def labels(self) -> list[str]:
        """The names of all labels, the largest class first."""
        return [row["name"] for row in sorted(self._labels, key=lambda row: -row["clips"])]

    async def _begin(self) -> None:
        """The first page of what is wanted now."""
        self._fetching = True
        try:
            items, self._cursor = await self._page(None)
            if self._inbox and not self._text:
                self._count = (await self.box.get("/inbox/summary"))["clips"]
            else:
                self._count = None
        finally:
            self._fetching = False
        rows = self.query_one(ClipRows)
        rows.say_empty(self._nothing())
        rows.begin(self._without_sent(items), more=self._cursor is not None)
        self.describe()
        self._look_soon()

    async def _page(self, cursor: str | None) -> tuple[list[dict[str, Any]], str | None]:
        wanted = parse(self._text, self._microphones)
        self._wrong = wanted.wrong
        params = dict(wanted.params)
        path = "/clips"
        if self._inbox:
            if set(params) <= {"label", "microphone"}:
                path = "/inbox"
            elif "label" not in params:
                params["unlabelled"] = True
        params.pop("unlabelled", None) if "label" in params else None
        items: list[dict[str, Any]] = []
        # A page may be empty and still not be the last.
        for _ in range(20):
            page = await self.box.get(path, limit=PAGE, cursor=cursor, **params)
            items += page["items"]
            cursor = page["next"]
            if cursor is None or len(items) >= PAGE // 2:
                break
        return items, cursor

    async def _more(self) -> None:
        if self._cursor is None:
            return
        try:
            items, self._cursor = await self._page(self._cursor)
        finally:
            self._fetching = False
        rows = self.query_one(ClipRows)
        rows.append(self._without_sent(items), more=self._cursor is not None)

    def _without_sent(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What was labelled here, but is not known to the daemon yet, does not come back."""
        return [item for item in items if not (self._inbox and item["id"] in self._gone)]

    def on_clip_rows_wanting(self) -> None:
        if not self._fetching and self.box.connected:
            self._fetching = True
            self.start(self._more)

    def heard(self, topic: str, data: dict[str, Any]) -> None:
        if topic == "label" or (topic == "clip" and data["action"] == "labelled"):
            self._after("labels", 1.0, lambda: self.start(self._recount))
        elif topic == "clip" and data["action"] == "added":
            if not self._text and len(data["clips"]) <= MOST_ADDED:
                self.start(self._add, data["clips"], group=f"add {data['clips'][0]}")
        elif topic == "clip" and data["action"] == "deleted":
            self.query_one(ClipRows).drop(set(data["clips"]))
        elif topic == "microphone":
            self._names[data["microphone"]["id"]] = data["microphone"]["name"]

    async def _add(self, clips: list[int]) -> None:
        rows = self.query_one(ClipRows)
        for identifier in clips:
            clip = await self.box.get(f"/clips/{identifier}")
            if not self._inbox or clip["label"] is None:
                rows.add_first(clip)
                if self._count is not None:
                    self._count += 1
        self.describe()

    def _name_of(self, identifier: str | None) -> str:
        return self._names.get(identifier or "", identifier or "")

    def _nothing(self) -> str:
        if self._text:
            return "No clip is like that.\nEscape shows all of them again."
        if self._inbox:
            return "The inbox is empty: every clip has a label.\ni shows all clips."
        return "No clip yet: record on F2, or `earmark import FOLDER`."

    def describe(self) -> None:
        """Bring the lines above and below the list up to date."""
        rows = self.query_one(ClipRows)
        where = "Inbox" if self._inbox else "All clips"
        known = len(rows.rows)
        number = f"{self._count}" if self._count is not None else f"{known}{'+' * rows.more}"
        parts = [f"{where}: {number}"]
        if self._wrong:
            parts = [self._wrong]
        elif self._text:
            parts.append(self._text)
        if rows.marked:
            parts.append(f"{len(rows.marked)} marked")
        self.query_one("#where", Static).update("  ·  ".join(parts))
        self.query_one("#digits", Static).update(self.digits.line(max(20, self.size.width - 2)))

    # --- the picture ---------------------------------------------------------------------------

    def on_rows_moved(self, event: Rows.Moved) -> None:
        self._look_soon()

    def _look_soon(self) -> None:
        rows, sound = self.query_one(ClipRows), self.query_one(ClipSound)
        clip = rows.clip
        key = self._picture_key(clip)
        picture = self._pictures.get(key) if key else None
        sound.show(clip, picture)
        if clip is not None and picture is None and not self.earmark.low_bandwidth:
            self._after("look", LOOKED_S, lambda: self.start(self._look))

    def _picture_key(self, clip: dict[str, Any] | None) -> tuple[int, int, int] | None:
        sound = self.query_one(ClipSound)
        return None if clip is None else (clip["id"], sound.columns, sound.bands)

    async def _look(self) -> None:
        rows, sound = self.query_one(ClipRows), self.query_one(ClipSound)
        clip = rows.clip
        key = self._picture_key(clip)
        if clip is None or key is None or key in self._pictures:
            return
        try:
            picture = await self.box.get(
                f"/clips/{clip['id']}/outline", columns=sound.columns, rows=sound.bands
            )
        except EarmarkError as error:
            sound.say(error.message)
            return
        if len(self._pictures) > 300:
            self._pictures.clear()
        self._pictures[key] = picture
        if rows.clip is not None and rows.clip["id"] == clip["id"]:
            sound.show(rows.clip, picture)

    def _after(self, name: str, seconds: float, work: Any) -> None:
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
        clip = self.query_one(ClipRows).clip
        suggested = clip.get("suggested_label") if clip else None
        if suggested:
            self._give(suggested)
        else:
            self.notify("Nothing is suggested for this clip; l finds a label.", timeout=3)

    def action_choose(self) -> None:
        self.start(self._choose)

    async def _choose(self) -> None:
        if not self.query_one(ClipRows).meant():
            return
        title = "Which label?"
        chosen = await self.app.push_screen_wait(Choose(title, self.labels, new="New label"))
        if chosen:
            if chosen not in self.labels:
                self.outbox.post(f"label {chosen}", "post", "/labels", {"name": chosen})
                self._labels.append({"name": chosen, "clips": 0, "sessions": 0})
                self.digits.know(self._labels)
            self._give(chosen)

    def _give(self, label: str | None) -> None:
        rows = self.query_one(ClipRows)
        clips = rows.meant()
        for clip in clips:
            self._gone[clip["id"]] = clip
        single = len(clips) == 1
        self.labelling.give({clip["id"]: clip["label"] for clip in clips}, label)
        rows.mark_none()
        if single and label is not None and not self._inbox:
            rows.next_unlabelled()
        self.describe()

    def _labelled(self, labels: Labels) -> None:
        """Draw what clips are labelled now; in the inbox, labelled ones leave and come back."""
        rows = self.query_one(ClipRows)
        here = {row.key for row in rows.rows}
        rows.relabel(labels, leave=self._inbox)
        if self._inbox:
            back = [
                {**self._gone.pop(clip), "label": None}
                for clip, label in labels.items()
                if label is None and clip in self._gone and clip not in here
            ]
            if back:
                rows.put_back(back)
            if self._count is not None:
                self._count += len(back) - sum(
                    clip in here and label is not None for clip, label in labels.items()
                )
        self.describe()
        self._look_soon()

    def action_undo(self) -> None:
        change = self.labelling.undo()
        self.notify(f"Taken back: {change.words}" if change else "Nothing to undo.", timeout=2)

    def action_redo(self) -> None:
        change = self.labelling.redo()
        self.notify(f"Again: {change.words}" if change else "Nothing to redo.", timeout=2)

    def action_next(self) -> None:
        if not self.query_one(ClipRows).next_unlabelled():
            self.notify("Every clip below has a label.", timeout=2)

    def action_mark(self) -> None:
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
        self._inbox = not self._inbox
        self.start(self._begin)

    def action_find(self) -> None:
        field = self.query_one("#filter", Input)
        field.add_class("-shown")
        self.set_focus(field)  # at once: the next key is for it

    def on_input_changed(self, event: Input.Changed) -> None:
        self._text = event.value.strip()
        self._after("find", TYPED_S, lambda: self.start(self._begin))

    def on_input_submitted(self) -> None:
        self.set_focus(self.query_one(ClipRows))

    def action_back(self) -> None:
        rows, field = self.query_one(ClipRows), self.query_one("#filter", Input)
        if field.has_focus or field.value:
            field.value = ""
            field.remove_class("-shown")
            self.set_focus(rows)
        elif rows.mark_none():
            self.describe()

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
