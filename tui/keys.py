"""The keys that work now, ours before Textual's own: help and palette both read them here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from textual.app import App
from textual.screen import Screen

THEIRS: Mapping[str, str] = {
    "app.focus_next": "To the next part of the screen",
    "app.focus_previous": "To the part before",
}
"""What Textual binds by itself and a person may want, in our words. The rest of it moves cursors in
fields and copies by keys that no terminal sends."""


class Key(NamedTuple):
    """One action with the keys that do it. `node` is where it is bound."""

    shown: tuple[str, ...]
    words: str
    more: str
    action: str
    node: Any
    enabled: bool


def keys_of(screen: Screen[Any], app: App[Any]) -> list[Key]:
    """First the page's own keys, then those of its parts, then those of every screen, last what
    Textual brings."""
    found: dict[str, tuple[int, Key]] = {}
    for node, binding, enabled, tooltip in screen.active_bindings.values():
        action = binding.action
        theirs = type(node).__module__.startswith("textual.") or action in _OF_EVERY_SCREEN
        words = THEIRS.get(action, "") if theirs else binding.description
        if not words:
            continue
        rank = 3 if theirs else 0 if isinstance(node, Screen) else 2 if node is app else 1
        shown: tuple[str, ...] = (app.get_key_display(binding),)
        if action in found:
            before = found[action][1].shown
            shown = before if shown[0] in before else (*before, *shown)
        found[action] = (rank, Key(shown, words, tooltip, action, node, enabled))
    return [key for _, key in sorted(found.values(), key=lambda entry: entry[0])]


_OF_EVERY_SCREEN = frozenset(binding.action for binding in Screen.BINDINGS)  # type: ignore[union-attr]
