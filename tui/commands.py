"""The command palette: the screens, and every key that works on the one that is shown."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.keys import keys_of
from tui.pages import PAGES


class Commands(Provider):
    """The bindings are the one registry of actions; footer, help and palette all read it."""

    async def discover(self) -> Hits:
        for words, detail, run in self._all():
            yield DiscoveryHit(words, run, help=detail)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for words, detail, run in self._all():
            score = matcher.match(words)
            if score > 0:
                yield Hit(score, matcher.highlight(words), run, help=detail)

    def _all(self) -> Iterator[tuple[str, str, Any]]:
        """(words, key and more, what it does): the screens, then the keys of the one shown."""
        for entry in PAGES:
            if entry.name != self.app.current_mode:
                run = partial(self.app.run_action, f"app.go('{entry.name}')")
                yield f"Go to {entry.title}", entry.key_shown, run
        for key in keys_of(self.screen, self.app):
            if not key.enabled or key.action.startswith(("app.go(", "command_palette")):
                continue
            detail = f"{key.shown[0]}  {key.more}" if key.more else key.shown[0]
            yield key.words, detail, partial(self.app.run_action, key.action, key.node)
