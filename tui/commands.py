"""The command palette: the screens, and every key that works on the one that is shown."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from textual.command import DiscoveryHit, Hit, Hits, Provider

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
        for entry in PAGES:
            if entry.name != self.app.current_mode:
                run = partial(self.app.run_action, f"app.go('{entry.name}')")
                yield f"Go to {entry.title}", entry.key_shown, run
        seen: set[str] = set()
        for node, binding, enabled, tooltip in self.screen.active_bindings.values():
            wanted = binding.description and enabled and not binding.action.startswith("app.go(")
            if not wanted or binding.action in seen or binding.action == "command_palette":
                continue
            seen.add(binding.action)
            key = self.app.get_key_display(binding)
            detail = f"{key}  {tooltip}" if tooltip else key
            yield binding.description, detail, partial(self.app.run_action, binding.action, node)
