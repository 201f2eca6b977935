"""One of several things, found by typing a part of it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from tui.dialogs.dialog import Dialog


class Choose(Dialog["str | None"]):
    """`await app.push_screen_wait(Choose("What was it?", labels, new="New label"))` is one of
    `choices`, a new text when `new` says what that would be, or None."""

    BINDINGS = [
        Binding("down", "move(1)", "Next", show=False),
        Binding("up", "move(-1)", "Previous", show=False),
    ]
    DEFAULT_CSS = """
    Choose OptionList { height: auto; max-height: 12; margin: 1 0 0 0; }
    """

    def __init__(self, title: str, choices: Sequence[str], *, new: str = "") -> None:
        super().__init__()
        self._title, self._choices, self._new = title, list(choices), new
        self._shown: list[str] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._title, id="dialog-title", markup=False)
            field = Input(placeholder="type a part of it")
            field.cursor_blink = False
            field.compact = True
            yield field
            options = OptionList(markup=False)
            options.can_focus = False
            yield options
            yield Static("Enter accepts, Escape closes", id="dialog-keys", markup=False)

    def on_mount(self) -> None:
        self._fill("")

    def on_input_changed(self, event: Input.Changed) -> None:
        self._fill(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        index = self.query_one(OptionList).highlighted
        if index is not None and index < len(self._shown):
            self.dismiss(self._shown[index])

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._shown[event.option_index])

    def action_move(self, step: int) -> None:
        options = self.query_one(OptionList)
        if self._shown:
            options.highlighted = ((options.highlighted or 0) + step) % len(self._shown)

    def _fill(self, typed: str) -> None:
        part = typed.strip().casefold()
        begins = [name for name in self._choices if name.casefold().startswith(part)]
        holds = [n for n in self._choices if part in n.casefold() and n not in begins]
        self._shown = [*begins, *holds]
        rows = [Option(Content(name)) for name in self._shown]
        if self._new and typed.strip() and typed.strip() not in self._choices:
            self._shown.append(typed.strip())
            rows.append(Option(Content(f"{self._new}: {typed.strip()}")))
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options(rows)
        options.highlighted = 0 if rows else None
