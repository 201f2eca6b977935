"""The settings: every one is a field below, with its default, its bounds and its help."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def _help(default: Any, text: str, low: float | None = None, high: float | None = None) -> Any:
    meta = {"help": text, "low": low, "high": high}
    if isinstance(default, tuple):
        return field(default_factory=lambda: default, metadata=meta)
    return field(default=default, metadata=meta)


@dataclass(frozen=True)
class HttpSettings:
    host: str = _help("127.0.0.1", "address of the TCP listener; anything else opens it to the LAN")
    port: int = _help(8710, "port of the TCP listener; 0 lets the system choose", 0, 65535)
    allowed_hosts: tuple[str, ...] = _help(
        (), "further names that a Host header may carry; localhost and 127.0.0.1 always may"
    )
    requests_a_minute: int = _help(
        6000, "requests of the token in a minute, over TCP only; 0 has no limit", 0, 1_000_000
    )
    failures_a_minute: int = _help(
        30, "wrong or missing tokens from one address in a minute, then 429", 1, 10_000
    )
    max_upload_mb: int = _help(1000, "largest request body, in MB", 1, 100_000)


@dataclass(frozen=True)
class AudioSettings:
    preroll_s: float = _help(2.0, "sound kept from before a trigger or detection", 0, 30)
    ring_s: float = _help(20.0, "seconds of each microphone kept in memory", 5, 120)
    decode_workers: int = _help(
        3,
        "children that decode uploaded files; one more than cores, since each waits for the disk",
        1,
        16,
    )
    max_file_minutes: int = _help(240, "longest file that import accepts", 1, 1440)
    speaker: str = _help(
        "", "a part of the name of the speaker that plays clips; empty is the system's default"
    )


@dataclass(frozen=True)
class TriggerSettings:
    rise_db: float = _help(10.0, "how far above the background a sound must rise", 1, 60)
    preroll_s: float = _help(0.5, "kept from before the rise", 0, 30)
    postroll_s: float = _help(0.7, "silence that ends a triggered recording", 0.1, 30)
    max_s: float = _help(15.0, "longest triggered recording", 1, 60)
    max_per_hour: int = _help(120, "limit of triggered recordings an hour", 1, 100_000)


@dataclass(frozen=True)
class ListenSettings:
    threshold: float = _help(0.6, "score a sound must reach, unless its label has its own", 0, 1)
    release: float = _help(0.6, "share of the threshold under which a sound has ended", 0, 1)
    smoothing_s: float = _help(
        3.0,
        "windows of so long, at most of one window's length, weigh as one: less is quicker and more"
        " often wrong",
        0,
        10,
    )
    minimum_s: float = _help(0.0, "how long a score must stay above its threshold", 0, 60)
    hold_s: float = _help(0.5, "a sound unheard for so long has ended", 0, 60)
    cooldown_s: float = _help(1.0, "pause after a detection of the same label", 0, 3600)
    clip_s: float = _help(5.0, "length of the clip kept with a detection, pre-roll included", 1, 60)
    keep_clips: bool = _help(True, "keep a clip of each detection")


@dataclass(frozen=True)
class BackgroundSettings:
    a_day: int = _help(
        8,
        "samples of the background that each listening microphone offers a day, for a person to"
        " confirm; 0 for none",
        0,
        200,
    )


@dataclass(frozen=True)
class HistorySettings:
    hours: float = _help(
        6.0, "sound kept of each microphone, to hear new versions against it; 0 keeps none", 0, 168
    )
    max_mb: int = _help(3000, "the whole history is no larger; the oldest goes", 1, 10_000_000)


@dataclass(frozen=True)
class GateSettings:
    limit_s: int = _help(
        300, "a version is heard against clips and history for so long at most; 0: never", 0, 36_000
    )
    recall_loss: float = _help(
        0.05, "share of labelled clips that a version may lose before it is refused", 0, 1
    )
    label_recall_loss: float = _help(
        0.2, "the same for each label, and for sounds that a person confirmed", 0, 1
    )
    more_false_alarms: float = _help(
        1.0, "so many more false alarms an hour of history are no reason to refuse", 0, 10_000
    )


@dataclass(frozen=True)
class InboxSettings:
    judged_clips: int = _help(
        5000,
        "so many of the newest clips without a label are judged and put in order; 0 judges none",
        0,
        100_000,
    )


@dataclass(frozen=True)
class TrainingSettings:
    threads: int = _help(0, "CPU threads of the training child; 0 uses every core", 0, 256)
    nice: int = _help(10, "priority of the training child, 19 is the humblest", 0, 19)
    keep_jobs: int = _help(
        20, "folders of the last trainings that are kept, beside those of versions", 1, 100_000
    )
    keep_failed_logs: int = _help(
        100, "logs of the last failed trainings that are kept when their folders go", 0, 100_000
    )
    grace_s: float = _help(20.0, "after the limit: from asking to end to ending by force", 1, 30)


@dataclass(frozen=True)
class BoardSettings:
    button: str = _help(
        "", "GPIO line of a button, such as PAC.06 or gpiochip0:144; empty for none"
    )
    button_active_low: bool = _help(True, "the button connects its line to ground")
    button_press: str = _help("record", "what a press does: record, keep, pause or none")
    button_double: str = _help("keep", "what two presses do: record, keep, pause or none")
    button_long: str = _help("pause", "what a long press does: record, keep, pause or none")
    button_double_s: float = _help(0.4, "two presses within this are one gesture", 0.1, 2)
    button_long_s: float = _help(1.0, "a button held for so long is a long press", 0.3, 10)
    button_record_s: float = _help(60.0, "longest recording that the button begins", 1, 3600)
    light: str = _help("", "GPIO line of a light, or led:NAME for one of the board; empty for none")
    light_active_low: bool = _help(False, "the light is on while its line is low")
    heat_pause_c: float = _help(
        0.0,
        "temperature at which a training pauses; 0 is 90 on a Jetson and never elsewhere",
        0,
        150,
    )
    heat_resume_c: float = _help(
        0.0, "temperature at which it goes on; 0 is 10 below that of the pause", 0, 150
    )
    training_power: str = _help(
        "", "power mode during a training: max, a mode's name, or empty to leave it as it is"
    )


@dataclass(frozen=True)
class HooksSettings:
    folder: str = _help("", "folder of the hooks; empty is hooks/ in the data folder")
    timeout_s: float = _help(30.0, "a hook that takes longer is ended", 1, 100)
    parallel: int = _help(2, "hooks that run at once", 1, 16)
    waiting: int = _help(100, "events that may wait for a hook; more, and the oldest go", 1, 10_000)


@dataclass(frozen=True)
class BackupSettings:
    target: str = _help(
        "", "folder for backups, best on another disk; empty for backups/ in the data folder"
    )
    keep: int = _help(7, "so many backups are kept at one place", 1, 1000)
    copies: int = _help(
        3, "so many nightly copies of the database alone are kept on its own disk; 0 none", 0, 100
    )


@dataclass(frozen=True)
class SpaceSettings:
    low_mb: int = _help(
        1000, "room is low when less is free: everybody is told; no history", 0, 10_000_000
    )
    low_percent: float = _help(1.0, "the same as a share of the disk", 0, 90)
    short_mb: int = _help(
        500, "room is short when less is free: no clips of detections either", 0, 10_000_000
    )
    short_percent: float = _help(0.5, "the same as a share of the disk", 0, 90)
    critical_mb: int = _help(
        100, "room is critical when less is free: no triggered recordings either", 0, 10_000_000
    )
    reserve_mb: int = _help(
        64, "kept for the database where others fill the disk; at most 1 % of it", 0, 10_000
    )
    critical_percent: float = _help(0.1, "the same as a share of the disk", 0, 90)


@dataclass(frozen=True)
class PrivacySettings:
    quiet_hours: tuple[str, ...] = _help(
        (), 'hours in which every microphone is closed, local time, such as "22:00-06:00"'
    )
    drop_speech: bool = _help(
        False, "drop what the box would keep by itself when speech is likely in it"
    )


@dataclass(frozen=True)
class RetentionSettings:
    max_use_percent: float = _help(
        80.0, "when the disk is fuller, the clips worth least are deleted; 100 never", 1, 100
    )
    max_age_days: float = _help(
        0.0, "clips without a label that are older are deleted; 0 never", 0, 36_500
    )
    every_h: float = _help(24.0, "hours between two looks; 0 only when asked", 0, 8760)


@dataclass(frozen=True)
class CareSettings:
    inspect_days: float = _help(
        7.0,
        "days over which every sound is read once and compared with its hash; 0 only when asked",
        0,
        3650,
    )


@dataclass(frozen=True)
class Settings:
    http: HttpSettings = field(default_factory=HttpSettings)
    audio: AudioSettings = field(default_factory=AudioSettings)
    trigger: TriggerSettings = field(default_factory=TriggerSettings)
    listen: ListenSettings = field(default_factory=ListenSettings)
    background: BackgroundSettings = field(default_factory=BackgroundSettings)
    backup: BackupSettings = field(default_factory=BackupSettings)
    gate: GateSettings = field(default_factory=GateSettings)
    history: HistorySettings = field(default_factory=HistorySettings)
    inbox: InboxSettings = field(default_factory=InboxSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    board: BoardSettings = field(default_factory=BoardSettings)
    hooks: HooksSettings = field(default_factory=HooksSettings)
    privacy: PrivacySettings = field(default_factory=PrivacySettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    space: SpaceSettings = field(default_factory=SpaceSettings)
    care: CareSettings = field(default_factory=CareSettings)
