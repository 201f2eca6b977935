"""Running the owner's hooks when something happens, without ever waiting for one."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.errors import Conflict, InvalidInput, NotFound
from appliance.events import Event, EventBus
from appliance.hooks.folder import Hook, find_hooks
from appliance.hooks.happening import KINDS, Happening, Translator, example
from appliance.hooks.running import Run, run_hook
from appliance.paths import DataFolder
from appliance.settings import HooksSettings, Settings

log = logging.getLogger(__name__)

_LOGGED_LINES = 20


@dataclass(frozen=True)
class HookView:
    """A hook as people see it. events: what it is run for. runs, failures: since the daemon
    started; last_*: of the newest run."""

    name: str
    events: list[str]
    problem: str
    runs: int = 0
    failures: int = 0
    last_at: float | None = None
    last_event: str | None = None
    last_status: int | None = None
    last_seconds: float | None = None
    last_problem: str = ""
    last_output: str = ""


@dataclass(frozen=True)
class HooksState:
    """waiting: happenings that no hook was run for yet; dropped: those that never will be,
    because too many waited."""

    folder: Path
    hooks: list[HookView]
    waiting: int
    dropped: int


class Hooks:
    """Thread-safe. A happening waits in a queue of limited length for one of a few threads, and
    each hook runs in a process with a time limit: nothing that a hook does reaches the daemon."""

    def __init__(self, folder: DataFolder, settings: HooksSettings, bus: EventBus) -> None:
        self._folder = Path(settings.folder).expanduser() if settings.folder else folder.hooks
        self._data = folder.root
        self._settings = settings
        self._bus = bus
        self._translator = Translator()
        self._queue: deque[Happening] = deque()
        self._changed = threading.Condition()
        self._views: dict[str, HookView] = {}
        self._dropped = 0
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self._unsubscribe: Callable[[], None] = lambda: None

    def use(self, settings: Settings) -> None:
        """Take up the limits that may change while it runs; not the folder, not the threads."""
        self._settings = replace(
            self._settings,
            timeout_s=settings.hooks.timeout_s,
            waiting=settings.hooks.waiting,
        )

    def start(self) -> None:
        with contextlib.suppress(OSError):  # a full disk, or a folder of the owner's that is away
            self._folder.mkdir(mode=0o700, exist_ok=True)
        self._unsubscribe = self._bus.subscribe(self._told)
        for number in range(self._settings.parallel):
            thread = threading.Thread(target=self._work, name=f"hooks {number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Run no more. Hooks that run end with the daemon."""
        self._unsubscribe()
        with self._changed:
            self._stopping = True
            self._queue.clear()
            self._changed.notify_all()

    def state(self) -> HooksState:
        """The hooks that lie in the folder now, and how they did."""
        hooks = find_hooks(self._folder)
        with self._changed:
            views = [self._view(hook) for hook in hooks]
            return HooksState(self._folder, views, len(self._queue), self._dropped)

    def test(self, name: str, kind: str | None = None) -> tuple[HookView, Run]:
        """Run one hook now with an invented happening that says `"test": true`.

        Raises NotFound, InvalidInput for an event that there is not, Conflict when the hook is
        refused.
        """
        hooks = {hook.name: hook for hook in find_hooks(self._folder)}
        hook = hooks.get(name)
        if hook is None:
            known = ", ".join(hooks) or "there is none"
            raise NotFound(f"there is no hook {name[:80]!r}", f"in {self._folder}: {known}")
        wanted = kind or hook.kind or KINDS[0]
        if wanted not in KINDS:
            raise InvalidInput(f"there is no event {wanted[:80]!r}", f"one of {', '.join(KINDS)}")
        if hook.problem:
            raise Conflict(f"the hook {name} is not run", hook.problem)
        run = self._run(hook, example(wanted))
        with self._changed:
            return self._view(hook), run

    def happened(self, happening: Happening) -> None:
        """Run the hooks for it when their turn comes. Never blocks: when too many wait, the
        oldest is dropped and counted."""
        with self._changed:
            if self._stopping:
                return
            self._queue.append(happening)
            if len(self._queue) > self._settings.waiting:
                dropped = self._queue.popleft()
                self._dropped += 1
                if self._dropped % 100 == 1:
                    log.warning("hooks are too slow: a %s was dropped", dropped.kind)
            self._changed.notify()

    # --- inside --------------------------------------------------------------------------------

    def _told(self, event: Event) -> None:
        happening = self._translator.push(event)
        if happening is not None:
            self.happened(happening)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopping)
                if not self._queue:
                    return
                happening = self._queue.popleft()
            for hook in find_hooks(self._folder):
                if self._stopping:
                    return
                if hook.kind not in (None, happening.kind):
                    continue
                if hook.problem:
                    log.warning("the hook %s is not run: %s", hook.name, hook.problem)
                    continue
                try:
                    self._run(hook, happening)
                except Exception:
                    log.exception("the hook %s could not be run", hook.name)

    def _run(self, hook: Hook, happening: Happening) -> Run:
        run = run_hook(
            hook.path,
            happening,
            timeout_s=self._settings.timeout_s,
            extra={"EARMARK_DATA": str(self._data)},
        )
        level = logging.INFO if run.ok else logging.WARNING
        said = f": {run.problem}" if run.problem else ""
        log.log(level, "hook %s on %s, %.1f s%s", hook.name, happening.kind, run.seconds, said)
        for line in run.output.splitlines()[:_LOGGED_LINES]:
            log.log(level, "hook %s says: %s", hook.name, line)
        with self._changed:
            before = self._view(hook)
            self._views[hook.name] = replace(
                before,
                runs=before.runs + 1,
                failures=before.failures + (not run.ok),
                last_at=time.time(),
                last_event=happening.kind,
                last_status=run.status,
                last_seconds=round(run.seconds, 3),
                last_problem=run.problem,
                last_output=run.output,
            )
        return run

    def _view(self, hook: Hook) -> HookView:
        events = list(KINDS) if hook.kind is None else [hook.kind]
        before = self._views.get(hook.name) or HookView(hook.name, events, hook.problem)
        return replace(before, problem=hook.problem)
