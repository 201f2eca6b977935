"""Every part of the box, wired together floor by floor: each floor stands on those below it.

Building it makes the library whole after whatever ended the last daemon: half-done files are swept
away, versions that were cut short are completed, and what was deployed is loaded, its engine built
anew in the background if need be. Nothing records, listens or trains until the daemon starts the
parts, in their order; it stops them in reverse.
"""

from __future__ import annotations

from functools import partial
from typing import Protocol

from appliance.audio.decode import Decoder
from appliance.care import rebuild
from appliance.care.backups import Backups
from appliance.care.clock_set import ClockSet
from appliance.care.copies import Copies
from appliance.care.fingerprints import Fingerprints
from appliance.care.inspection import Inspection
from appliance.care.notices import Notices
from appliance.care.quarantine import Quarantine
from appliance.care.quiet_hours import QuietHours
from appliance.care.retention import Retention
from appliance.care.space import DETECTION_CLIPS, TRIGGERED, Space
from appliance.events import EventBus
from appliance.gate.comparisons import Comparisons
from appliance.gate.gate import Gate
from appliance.gate.shadow import Shadow
from appliance.gate.shadow_table import Shadows
from appliance.hardware.hardware import Hardware
from appliance.hardware.kit import Kit
from appliance.hooks.hooks import Hooks
from appliance.inbox.scorer import Scorer
from appliance.inbox.table import Inbox
from appliance.jobs.queue import Queue
from appliance.jobs.runner import Runner
from appliance.library.clips import Clips
from appliance.library.datasets import Datasets
from appliance.library.labels import Labels
from appliance.library.microphones import MicrophoneRecords
from appliance.library.schedules import ScheduleRecords
from appliance.live.courtesy import Courtesy
from appliance.live.detections import Detections
from appliance.live.listener import Listener
from appliance.live.rates import Rates
from appliance.live.rejections import Rejections
from appliance.live.spectrum import Spectrum
from appliance.live.tally import Tally
from appliance.models.compiler import Compiler
from appliance.models.deploy import Deployments
from appliance.models.thresholds import Thresholds
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.recording.background import Background
from appliance.recording.daily_background import DailyBackground
from appliance.recording.history import History
from appliance.recording.microphones import Microphones
from appliance.recording.privacy import Privacy
from appliance.recording.recorder import Recorder
from appliance.recording.schedule import Schedules
from appliance.recording.triggered import Triggers
from appliance.settings import Settings
from appliance.store.database import Database


class Part(Protocol):
    """Something that runs beside the rest."""

    def start(self) -> None: ...
    def stop(self) -> None: ...


class House:
    """The parts, as attributes."""

    def __init__(
        self,
        folder: DataFolder,
        settings: Settings,
        notices: Notices,
        db: Database,
        decoder: Decoder,
        kit: Kit | None,
    ) -> None:
        """kit: the board, this computer's unless another is given."""
        self.folder, self.settings, self.notices = folder, settings, notices
        self.db, self.decoder = db, decoder
        self.bus = EventBus()
        self._library()
        self._models()
        self._microphones()
        self._listening()
        self._training()
        self._gate()
        self._care()
        self._board(kit)

    def listening_and_newest(self) -> tuple[str | None, str | None]:
        """The version that listens, and the newest that there is."""
        live, there = self.deployments.live(), self.versions.all()
        return (live[0].version if live else None), (there[0].name if there else None)

    def _library(self) -> None:
        """What was recorded and labelled, made whole after whatever ended the last daemon."""
        self.clips = Clips(self.db, self.folder, self.bus)
        self.clips.speech.switch(self.settings.privacy.drop_speech)
        self.clips.sweep()
        self.labels = Labels(self.db, self.bus)
        self.datasets = Datasets(self.db, self.folder)
        self.inbox = Inbox(self.db)

    def _models(self) -> None:
        """What was trained, and which of it listens."""
        self.versions = Versions(self.db, self.folder, self.bus)
        self.versions.recover()
        rebuild.begin(self.db, self.folder, self.clips)
        self.thresholds = Thresholds(self.db, self.settings)
        self.bus.subscribe(self.thresholds.follow)
        self._records = MicrophoneRecords(self.db)
        compiler = Compiler(self.folder.engines, microphones=lambda: len(self._records.all()))
        self.deployments = Deployments(self.db, self.folder, self.versions, self.bus, compiler)
        self.deployments.restore()

    def _microphones(self) -> None:
        """Who hears, and all that is recorded from them."""
        settings, bus, clips = self.settings, self.bus, self.clips
        self.microphones = Microphones(self._records, bus, settings)
        self.privacy = Privacy(self.db, self.microphones, bus)
        self.quiet_hours = QuietHours(self.privacy, settings.privacy.quiet_hours)
        self.recorder = Recorder(self.microphones, clips, bus)
        self.triggers = Triggers(self.microphones, clips, bus, settings)
        self.schedules = Schedules(ScheduleRecords(self.db), self.recorder, bus)
        self.background = Background(self.microphones, clips, bus)
        self.daily = DailyBackground(
            self.background, self.microphones, clips, settings.background.a_day
        )
        self.history = History(self.microphones, clips, self.folder, settings, bus)
        self.spectrum = Spectrum(self.microphones, bus)

    def _listening(self) -> None:
        """What is heard, and how it is decided."""
        settings, bus, history = self.settings, self.bus, self.history
        self.detections = Detections(self.db, self.clips, bus)
        self.detections.find_sound = lambda found: history.clip_at(
            found.microphone,
            found.started_at - settings.audio.preroll_s,
            settings.listen.clip_s,
        )
        tally = Tally(self.db)
        self.listener = Listener(
            self.microphones,
            self.deployments,
            self.detections,
            self.thresholds,
            settings,
            bus,
            tally,
            Rejections(self.db),
        )
        self.rates = Rates(self.db, tally, self.thresholds, self.deployments, self.versions, bus)
        self.scorer = Scorer(
            self.inbox, self.clips, self.deployments, settings, bus, busy=self.listener.lagging
        )

    def _training(self) -> None:
        """The queue with one slot; listening comes before it."""
        self.queue = Queue(
            self.db, self.folder, self.datasets, self.versions, self.bus, self.settings
        )
        listener = self.listener
        self.runner = Runner(
            self.queue, self.folder, self.settings, windows_missed=lambda: listener.windows()[1]
        )
        self.courtesy = Courtesy(
            self.bus,
            partial(self.runner.pause, by="listening"),
            partial(self.runner.resume, by="listening"),
        )

    def _gate(self) -> None:
        """A new version beside the one that listens: heard before, and silently with it."""
        self.gate = Gate(
            Comparisons(self.db),
            self.versions,
            self.deployments,
            self.datasets,
            self.clips,
            self.detections,
            self.thresholds,
            self.history,
            self.folder,
            self.settings,
            self.bus,
            lagging=self.listener.lagging,
        )
        self.shadow = Shadow(
            Shadows(self.db),
            self.versions,
            self.deployments,
            self.listener,
            self.detections,
            self.inbox,
            self.thresholds,
            self.settings,
            self.bus,
        )

    def _care(self) -> None:
        """The disk, backups, and what is looked after by itself."""
        folder, settings, bus, notices = self.folder, self.settings, self.bus, self.notices
        self.space = Space(folder.root, settings.space, bus, reserve=folder.reserve)
        self.history.missing = self.space.missing
        self.listener.keep_no_clips_while(partial(self.space.sheds, DETECTION_CLIPS))
        self.triggers.no_room = partial(self.space.sheds, TRIGGERED)
        self.fingerprints = Fingerprints(self.clips, bus, self.listener.lagging)
        self.backups = Backups(folder, settings, bus)
        self.copies = Copies(folder, settings, self.space, notices)
        self.quarantine = Quarantine(folder)
        self.inspection = Inspection(
            self.db,
            self.clips,
            self.datasets,
            folder,
            settings.care,
            quarantine=self.quarantine,
            notices=notices,
            backup_places=self.backups.places,
        )
        self.retention = Retention(self.db, self.clips, folder, settings.retention, bus, notices)
        self.clock = ClockSet(self.db)

    def _board(self, kit: Kit | None) -> None:
        """Buttons, lights, heat and power of the device, and the programs of its owner."""
        space, notices = self.space, self.notices
        self.hooks = Hooks(self.folder, self.settings.hooks, self.bus)
        self.hardware = Hardware(
            self.settings.board,
            db=self.db,
            folder=self.folder,
            bus=self.bus,
            clips=self.clips,
            microphones=self.microphones,
            privacy=self.privacy,
            history=self.history,
            recorder=self.recorder,
            queue=self.queue,
            runner=self.runner,
            deployments=self.deployments,
            listener=self.listener,
            low_space=lambda: space.low() or bool(notices.unread()),
            kit=kit,
        )

    @property
    def parts(self) -> tuple[tuple[str, Part], ...]:
        """What runs, in the order of starting."""
        return (
            ("hooks", self.hooks),
            ("space", self.space),
            ("privacy", self.privacy),
            ("quiet hours", self.quiet_hours),
            ("microphones", self.microphones),
            ("history", self.history),
            ("recorder", self.recorder),
            ("triggers", self.triggers),
            ("background", self.background),
            ("daily background", self.daily),
            ("schedules", self.schedules),
            ("rates", self.rates),
            ("listener", self.listener),
            ("spectrum", self.spectrum),
            ("training", self.runner),
            ("inbox", self.scorer),
            ("hardware", self.hardware),
            ("gate", self.gate),
            ("shadow", self.shadow),
            ("courtesy", self.courtesy),
            ("retention", self.retention),
            ("fingerprints", self.fingerprints),
            ("clock", self.clock),
            ("inspection", self.inspection),
            ("copies", self.copies),
        )
