"""The board, wired to the daemon: one object to start, to stop and to look at."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from appliance.events import EventBus
from appliance.hardware.actions import Actions
from appliance.hardware.heat import Heat, HeatWatch
from appliance.hardware.kit import Kit
from appliance.hardware.light import LightKeeper
from appliance.hardware.loops import HUNG_S, Loops
from appliance.hardware.power import PowerRaiser
from appliance.jobs.queue import Queue
from appliance.jobs.runner import Runner
from appliance.library.clips import Clips
from appliance.live.listener import Listener
from appliance.models.deploy import Deployments
from appliance.paths import DataFolder
from appliance.recording.history import History
from appliance.recording.microphones import Microphones
from appliance.recording.privacy import Privacy
from appliance.recording.recorder import Recorder
from appliance.settings import BoardSettings
from appliance.store.database import Database
from firmware_hooks.board import Board, Memory
from firmware_hooks.button import Button, Timing
from firmware_hooks.hotplug import Plug
from firmware_hooks.led import Blinker, open_light
from firmware_hooks.power_mode import PowerMode
from firmware_hooks.power_rails import Rail, total_watts
from firmware_hooks.thermal import Zone
from firmware_hooks.watchdog import Watchdog, interval_s, notify

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Wired:
    """A button or a light: its line ("" for none), why it does not work, and what it shows."""

    line: str
    problem: str
    state: str = ""


@dataclass(frozen=True)
class BoardView:
    """What `GET /board` answers; null and empty lists are what this computer lacks.

    temperatures in °C, by zone; throttled: what the board slows down for heat; watts: the whole
    board's; gpu_load: 0 to 1; power_problem: why the mode could not be raised or put back; hung:
    loops of the daemon that do not turn, for which the watchdog is not fed.
    """

    board: Board
    temperatures: list[Zone]
    throttled: list[str]
    heat: Heat
    rails: list[Rail]
    watts: float | None
    gpu_load: float | None
    memory: Memory | None
    power_mode: PowerMode | None
    power_modes: list[PowerMode]
    power_problem: str
    button: Wired
    light: Wired
    watchdog_s: float | None
    hung: list[str]


class Hardware:
    """Raises InvalidInput for settings that mean nothing; what a board lacks is only logged."""

    def __init__(
        self,
        settings: BoardSettings,
        *,
        db: Database,
        folder: DataFolder,
        bus: EventBus,
        clips: Clips,
        microphones: Microphones,
        privacy: Privacy,
        history: History,
        recorder: Recorder,
        queue: Queue,
        runner: Runner,
        deployments: Deployments,
        listener: Listener,
        low_space: Callable[[], bool] = lambda: False,
        kit: Kit | None = None,
    ) -> None:
        self._settings = settings
        self._kit = kit or Kit()
        self._microphones = microphones
        self._board = self._kit.sensors.board()
        self._hung: list[str] = []
        self.actions = Actions(settings, microphones, recorder, clips, privacy, history)
        bound = self.actions.by_gesture()
        self._button: Button | None = None
        if settings.button:
            self._button = Button(
                self._kit.lines,
                settings.button,
                bound,
                timing=Timing(settings.button_double_s, settings.button_long_s),
                active_low=settings.button_active_low,
            )
        self._light: LightKeeper | None = None
        if settings.light:
            opened = partial(
                open_light,
                settings.light,
                self._kit.lines,
                active_low=settings.light_active_low,
                root=self._kit.root,
            )
            self._light = LightKeeper(
                Blinker(opened),
                bus,
                microphones=microphones,
                recorder=recorder,
                queue=queue,
                deployments=deployments,
                privacy=privacy,
                trouble=lambda: bool(self._hung) or low_space(),
            )
        self._heat = HeatWatch(settings, self._kit.sensors, runner)
        self._power = PowerRaiser(
            settings.training_power,
            self._kit.power,
            folder,
            bus,
            training=lambda: queue.current() is not None,
        )
        self._loops = Loops(db, microphones, listener)
        self._watchdog_s = interval_s(self._kit.environment)
        self._watchdog: Watchdog | None = None
        if self._watchdog_s is not None:
            self._watchdog = Watchdog(
                self._loops.ages,
                limit_s=HUNG_S,
                every_s=self._watchdog_s / 3,
                feed=partial(self.tell, "WATCHDOG=1"),
                told=self._late,
            )

    def start(self) -> None:
        log.info(
            "board: %s%s",
            self._board.model,
            f", Jetson Linux {self._board.l4t}" if self._board.l4t else "",
        )
        self.actions.start()
        self._loops.start()
        self._heat.start()
        self._power.start()
        self._kit.hotplug.start(self._plugged)
        for part in (self._button, self._light, self._watchdog):
            if part is not None:
                part.start()

    def stop(self) -> None:
        self.tell("STOPPING=1")
        for part in (self._watchdog, self._button, self._light):
            if part is not None:
                part.stop()
        self._kit.hotplug.stop()
        self._power.stop()
        self._heat.stop()
        self._loops.stop()
        self.actions.stop()

    def tell(self, message: str) -> bool:
        """Tell systemd, as sd_notify(3); False when it does not want to know."""
        return notify(message, self._kit.environment)

    def view(self) -> BoardView:
        """Measured now; a few milliseconds."""
        sensors = self._kit.sensors
        modes = self._kit.power.modes()
        rails = sensors.rails()
        button, light = self._button, self._light
        return BoardView(
            board=self._board,
            temperatures=sensors.zones(),
            throttled=sensors.throttled(),
            heat=self._heat.state(),
            rails=rails,
            watts=total_watts(rails),
            gpu_load=sensors.gpu_load(),
            memory=sensors.memory(),
            power_mode=modes.current,
            power_modes=list(modes.all),
            power_problem=self._power.problem,
            button=Wired(self._settings.button, button.problem if button else ""),
            light=Wired(
                self._settings.light,
                light.blinker.problem if light else "",
                light.blinker.state if light else "",
            ),
            watchdog_s=self._watchdog_s,
            hung=list(self._hung),
        )

    def _plugged(self, plug: Plug) -> None:
        log.info("a sound card: %s %s", plug.action, plug.path)
        if plug.action != "remove":
            self._microphones.retry()

    def _late(self, late: list[str]) -> None:
        self._hung = late
        if late:
            log.error("does not turn any more: %s; the watchdog is not fed", ", ".join(late))
        else:
            log.info("every loop turns again")
