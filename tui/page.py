"""What every screen has: top bar, banner, footer; when it loads, and what it does with errors."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.app import ComposeResult
from textual.containers import Container
from textual.css.query import NoMatches
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Static

from appliance.errors import EarmarkError
from appliance.text import safe
from tui.connection import TOPICS
from tui.thin import ThinCompositor
from tui.widgets.banner import Banner
from tui.widgets.key_line import KeyLine
from tui.widgets.message_line import MessageLine
from tui.widgets.top_bar import TopBar

T = TypeVar("T")

if TYPE_CHECKING:
    from tui.app import EarmarkApp
    from tui.connection import Connection
    from tui.outbox import Outbox
    from tui.widgets.rows import Rows

LEAST_WIDTH, LEAST_HEIGHT = 80, 24


class Page(Screen[None]):
    """One of the six screens. A subclass gives NAME, BINDINGS, `body()`, `load()`, `heard()`.

    `load` runs when the page is first shown, when the daemon has come back, and when something of
    TOPICS happened while another page was shown. It must keep the place: cursor, selection, what
    was typed. `heard` is told each event while the page is shown.
    """

    NAME: ClassVar[str] = ""
    HELP: ClassVar[str] = ""
    """A few sentences for `?`: what the screen is for. The keys are listed by themselves."""
    TOPICS: ClassVar[frozenset[str]] = frozenset(TOPICS)
    """Events after which what is shown is out of date."""
    TELLS: ClassVar[frozenset[str]] = frozenset()
    """Topics that this page shows so well that no toast is needed."""
    LIVE: ClassVar[tuple[str, ...]] = ()
    """Topics that come several times a second: followed only while this page is shown, and not
    over a poor line."""

    DEFAULT_CSS = """
    Page { layout: vertical; background: $background; color: $foreground; }
    Page > #body { height: 1fr; }
    Page > #too-small { display: none; width: 100%; height: 100%; content-align: center middle;
                        text-align: center; }
    Page.-small > * { display: none; }
    Page.-small > #too-small { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._compositor = ThinCompositor()
        self.fresh = False
        """Whether what is shown is what the daemon has."""

    # --- for subclasses to fill ----------------------------------------------------------------

    def body(self) -> ComposeResult:
        """The widgets between top bar and footer."""
        yield from ()

    async def load(self) -> None:
        """Fetch and show everything. Raises what the connection raises."""

    def heard(self, topic: str, data: dict[str, Any]) -> None:
        """An event, at most four times a second all that have come."""

    def missed(self, topic: str, data: dict[str, Any]) -> None:
        """An event of TOPICS while another page is shown; `load` follows when this one is."""

    def beat(self) -> None:
        """Called about four times a second while the page is shown, after the events."""

    # --- for subclasses to use -----------------------------------------------------------------

    @property
    def followed(self) -> tuple[str, ...]:
        """Of LIVE what this line bears."""
        return () if self.earmark.low_bandwidth else self.LIVE

    @property
    def earmark(self) -> EarmarkApp:
        from tui.app import EarmarkApp

        assert isinstance(self.app, EarmarkApp)
        return self.app

    @property
    def box(self) -> Connection:
        return self.earmark.box

    @property
    def outbox(self) -> Outbox:
        return self.earmark.outbox

    def start(
        self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any, group: str = ""
    ) -> None:
        """Run `work(*args)` beside the rest. A later one of the same group (by default that of
        its own name) takes its place. An error of the daemon is said in words; dialogs may be
        awaited with `self.app.push_screen_wait`."""
        # Not a coroutine: one that is replaced before it has begun would never be awaited.
        later: Any = partial(self._told, work, args)
        self.run_worker(
            later,
            group=group or getattr(work, "__name__", "work"),
            exclusive=True,
        )

    def steady(self, rows: Rows, what: str) -> bool:
        """Whether a key is for the row under the cursor of `rows`; that it is not is said. what:
        such a row in a word."""
        if (before := rows.slid) is None:
            return True
        rows.settle()
        named = safe(rows.name_of(before))
        words = f"The list has just moved under the cursor, away from {what} {named}: press again."
        self.notify(words, severity="warning", timeout=4, markup=False)
        return False

    async def ask(self, dialog: Screen[T]) -> T | None:
        """What the person answers to `dialog`. For one that follows an answer of the daemon: None
        when they have gone to another page, or opened something else, before that came."""
        if self.app.screen is not self:
            return None
        answer: T | None = await self.app.push_screen_wait(dialog)
        return answer

    def reload(self) -> None:
        """Fetch everything again, beside the rest."""
        self.start(self._load, group="load")

    # --- inside --------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield TopBar(self.NAME)
        yield Banner()
        with Container(id="body"):
            yield from self.body()
        yield MessageLine()
        yield KeyLine()
        yield Static(id="too-small")

    async def _told(self, work: Callable[..., Coroutine[Any, Any, Any]], args: Any) -> None:
        try:
            await work(*args)
        except EarmarkError as error:
            self.earmark.say_error(error)
        except NoMatches:
            if self.is_running and self.children:
                raise
            # The program ends: an answer came when the page's parts had gone.

    async def _load(self) -> None:
        self.fresh = True  # what happens meanwhile is told by events
        try:
            await self.load()
        except BaseException:
            self.fresh = False
            raise

    def on_resize(self, event: Resize) -> None:
        size = event.size
        small = size.width < LEAST_WIDTH or size.height < LEAST_HEIGHT
        if small:
            self.query_one("#too-small", Static).update(
                f"This window has {size.width} x {size.height} characters.\n"
                f"Earmark needs {LEAST_WIDTH} x {LEAST_HEIGHT}: make it larger.\n\nCtrl-C leaves."
            )
        self.set_class(small, "-small")
