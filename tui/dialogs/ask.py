"""One line of text from the person."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from tui.dialogs.dialog import Dialog


class Ask(Dialog["str | None"]):
    """`await app.push_screen_wait(Ask("A note on V003", value=old))` is the text, or None.

    `check` gives what is wrong with a text in words, or "" when it will do.
    """

    def __init__(
        self,
        title: str,
        *,
        value: str = "",
        placeholder: str = "",
        detail: str = "",
        check: Callable[[str], str] = lambda text: "",
    ) -> None:
        super().__init__()
        self._title, self._value = title, value
        self._placeholder, self._detail = placeholder, detail
        self._check = check

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._title, id="dialog-title", markup=False)
            if self._detail:
                yield Static(self._detail, id="dialog-detail", markup=False)
            field = Input(self._value, placeholder=self._placeholder)
            field.cursor_blink = False
            field.compact = True
            yield field
            yield Static("Enter accepts, Escape closes", id="dialog-keys", markup=False)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        wrong = self._check(event.value)
        if wrong:
            self.query_one("#dialog-keys", Static).update(wrong)
        else:
            self.dismiss(event.value)
