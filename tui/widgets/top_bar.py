"""The line at the top: the six screens, and whether something waits to be sent."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from tui.pages import PAGES


class TopBar(Widget):
    """Tabs for keyboard and mouse; at the right what the box does now, as far as there is room."""

    DEFAULT_CSS = """
    TopBar { height: 1; background: $panel; color: $foreground; }
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._page = name
        self._right = ""

    def show(self, right: str) -> None:
        """What stands at the right end."""
        if right != self._right:
            self._right = right
            self.refresh()

    def render(self) -> Content:
        parts: list[Content | tuple[str, str]] = []
        for entry in PAGES:
            here = entry.name == self._page
            # Brackets, not only colour, say where one is.
            text = f"[{entry.title}]" if here else f" {entry.title} "
            style = "bold $accent" if here else ""
            parts.append(
                Content.assemble((entry.key_shown, "$secondary"), (text, style)).stylize(
                    f"@click=app.go('{entry.name}')"
                )
            )
        tabs = Content.assemble(*parts)
        room = self.size.width - tabs.cell_length - 1
        right = self._right
        while right and cell_len(right) > room:
            # The least important comes last.
            right = right.rpartition(" · ")[0]
        gap = " " * max(1, self.size.width - tabs.cell_length - cell_len(right))
        return Content.assemble(tabs, gap, (right, "$foreground"))
