"""Write the tables of keys in docs/tui.md from the bindings themselves."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from textual.app import App
from textual.binding import Binding

from tui.app import EarmarkApp
from tui.pages import PAGES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tui.md"
BEGIN, END = "<!-- keys: made by scripts/tui_keys.py -->", "<!-- end of keys -->"


def page() -> str:
    """The page with its tables brought up to date."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = [_table("Everywhere", EarmarkApp.BINDINGS)]
    tables += [_table(entry.title, vars(type(entry.make())).get("BINDINGS", ())) for entry in PAGES]
    return f"{before}{BEGIN}\n\n" + "\n".join(filter(None, tables)) + f"\n{END}{after}"


def _table(title: str, bindings: Iterable[Binding]) -> str:
    rows: dict[str, tuple[list[str], Binding]] = {}
    for binding in Binding.make_bindings(bindings):
        if binding.description:
            rows.setdefault(binding.action, ([], binding))[0].append(_shown(binding))
    if not rows:
        return ""
    lines = [f"### {title}\n", "| key | does |", "|---|---|"]
    for keys, binding in rows.values():
        more = f": {binding.tooltip}" if binding.tooltip else ""
        shown = " ".join(f"`{key}`" for key in dict.fromkeys(keys))
        lines.append(f"| {shown} | {binding.description}{more} |")
    return "\n".join(lines) + "\n"


def _shown(binding: Binding) -> str:
    return App.get_key_display(App(), binding).replace("|", "\\|")


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
