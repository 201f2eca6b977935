"""The footer: the keys that work now, as many as there is room for. One line, one widget."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.events import Click
from textual.widget import Widget


class KeyLine(Widget):
    """Textual's own footer is a widget a key and mounts them anew when the focus moves; this one
    draws a line, and only when it has changed. A click does what the key does."""

    DEFAULT_CSS = """
    KeyLine { dock: bottom; height: 1; background: $panel; color: $foreground; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys: list[tuple[str, str, str]] = []
        self._spans: list[tuple[int, int, str]] = []

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.look())

    def look(self) -> None:
        """Look which keys work now."""
        keys: list[tuple[str, str, str]] = []
        seen: set[str] = set()
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            if binding.show and enabled and binding.description and binding.action not in seen:
                seen.add(binding.action)
                shown = self.app.get_key_display(binding)
                keys.append((binding.key, shown, binding.description))
        if keys != self._keys:
            self._keys = keys
            self.refresh()

    def render(self) -> Content:
        parts: list[tuple[str, str] | str] = []
        self._spans = []
        column = 0
        tail = [key for key in self._keys if key[0] in ("question_mark", "ctrl+p")]
        rest = [key for key in self._keys if key not in tail]
        room = self.size.width - sum(cell_len(a) + cell_len(b) + 3 for _, a, b in tail)
        shown = []
        for key in rest:
            room -= cell_len(key[1]) + cell_len(key[2]) + 3
            if room < 0:
                break
            shown.append(key)
        for name, display, words in [*shown, *tail]:
            width = cell_len(display) + cell_len(words) + 3
            self._spans.append((column, column + width, name))
            parts += [" ", (display, "bold $accent"), f" {words} "]
            column += width
        return Content.assemble(*parts)

    async def on_click(self, event: Click) -> None:
        for begin, end, key in self._spans:
            if begin <= event.x < end:
                self.app.simulate_key(key)
