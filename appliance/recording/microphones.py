"""The microphones that a person has set up, each with its capture: rows and running things."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from appliance.audio.capture import Capture, CaptureStatus
from appliance.audio.default_input import DefaultInput
from appliance.audio.devices import Device, list_cards
from appliance.audio.source import SourceSpec, parse_source
from appliance.errors import Conflict, InvalidInput, MicrophoneError
from appliance.events import EventBus
from appliance.library.microphones import (
    LONGEST_NAME,
    FormerMicrophone,
    MicrophoneRecord,
    MicrophoneRecords,
    no_microphone,
)
from appliance.settings import Settings
from appliance.text import did_you_mean

log = logging.getLogger(__name__)

CHANGEABLE = ("name", "gain_db", "channel", "listen", "enabled")


@dataclass(frozen=True)
class MicrophoneView:
    """A microphone as people see it: its row, and what its capture does now."""

    id: str
    name: str
    source: str
    enabled: bool
    listen: bool
    gain_db: float
    channel: int | None
    trigger: dict[str, Any] | None
    created_at: float
    status: CaptureStatus


class Microphones:
    """Thread-safe. Topic `microphone` on the bus: {"what": "added" | "changed" | "removed" |
    "state", "microphone": view}."""

    def __init__(self, records: MicrophoneRecords, bus: EventBus, settings: Settings) -> None:
        self._rows = records
        self._bus = bus
        self._ring_s = settings.audio.ring_s
        self._lock = threading.Lock()
        self._changing = threading.Lock()  # one change of the set at a time
        self._records: dict[str, MicrophoneRecord] = {}
        self._captures: dict[str, Capture] = {}
        self._default = DefaultInput()
        self._running = False
        self._paused: tuple[str, str] | None = None

    def start(self) -> None:
        """Open every enabled microphone. One that is not there is retried for ever."""
        with self._changing:
            self._running = True
            for record in self._rows.all():
                with self._lock:
                    self._records[record.id] = record
                if record.enabled:
                    self._open(record)

    def stop(self) -> None:
        """Close all; returns when their children are gone."""
        with self._changing:
            self._running = False
            with self._lock:
                captures = list(self._captures.values())
                self._captures.clear()
            if captures:
                with ThreadPoolExecutor(len(captures)) as pool:
                    list(pool.map(Capture.stop, captures))

    def pause(self, detail: str, advice: str) -> None:
        """Close every microphone, and those that come, until `resume`; their state is "paused"
        then. Whoever hears them stays subscribed. Before `start` too: then none is opened."""
        with self._lock:
            self._paused = (detail, advice)
            captures = list(self._captures.values())
        for capture in captures:
            capture.pause(detail, advice)

    def resume(self) -> None:
        """Open them again."""
        with self._lock:
            self._paused = None
            captures = list(self._captures.values())
        for capture in captures:
            capture.resume()

    def retry(self) -> None:
        """Those that wait for their next attempt try at once: something was plugged in."""
        for capture in self._all_captures():
            capture.retry()

    def turned_ns(self) -> dict[str, int]:
        """When each capture's thread last went through its loop, by microphone."""
        return {capture.id: capture.turned_ns for capture in self._all_captures()}

    # --- looking -------------------------------------------------------------------------------

    def all(self) -> list[MicrophoneView]:
        """By name."""
        with self._lock:
            records = sorted(self._records.values(), key=lambda record: record.name)
        return [self._view(record) for record in records]

    def get(self, key: str) -> MicrophoneView:
        """By id or name; an id goes first. NotFound."""
        return self._view(self._record(key))

    def capture(self, key: str) -> Capture:
        """What captures it now. NotFound; MicrophoneError while it is disabled. After a change of
        `enabled` it is another one: the bus tells."""
        record = self._record(key)
        with self._lock:
            capture = self._captures.get(record.id)
        if capture is None:
            raise MicrophoneError(f"the microphone {record.name} is disabled", "enable it first")
        return capture

    def former(self) -> list[FormerMicrophone]:
        """Those that were removed: their clips and detections are still there."""
        return self._rows.former()

    def available(self) -> tuple[list[Device], str]:
        """The capture devices of this computer, whether set up or not; last the sound server's
        default input, and in words why that may be another one by now."""
        cards = list_cards()
        default, why = self._default.look()
        return [*cards, default] if default is not None else cards, why

    # --- changing ------------------------------------------------------------------------------

    def add(
        self,
        source: str,
        name: str | None = None,
        *,
        gain_db: float = 0.0,
        channel: int | None = None,
        listen: bool = True,
        enabled: bool = True,
    ) -> MicrophoneView:
        """Set up a microphone and open it; it need not be there yet.

        Raises InvalidInput for a source or value that means nothing, Conflict when the device is
        set up already or the name is taken.
        """
        spec = parse_source(source)
        with self._changing:
            record = self._rows.put(
                MicrophoneRecord(
                    id=self._new_id(spec),
                    name=self._free_name(spec) if name is None else name.strip(),
                    source=source,
                    enabled=enabled,
                    listen=listen,
                    gain_db=gain_db,
                    channel=channel,
                    created_at=time.time(),
                )
            )
            with self._lock:
                self._records[record.id] = record
            if record.enabled:
                self._open(record)
        self._tell("added", record)
        return self._view(record)

    def update(self, key: str, changes: Mapping[str, Any]) -> MicrophoneView:
        """Change name, gain_db, channel, listen or enabled; all or nothing.

        Gain and channel work from the next chunk on. Raises NotFound, InvalidInput, Conflict.
        """
        for field, value in changes.items():
            if value is None and field in CHANGEABLE and field != "channel":
                raise InvalidInput(f"{field} of a microphone cannot be nothing", "leave it out")
            if field not in CHANGEABLE:
                raise InvalidInput(
                    f"a microphone has no {field!r} that can be changed",
                    did_you_mean(field, CHANGEABLE) or f"one of {', '.join(CHANGEABLE)}",
                )
        return self._change(key, lambda record: dataclasses.replace(record, **changes))

    def set_trigger(self, key: str, trigger: Mapping[str, Any] | None) -> MicrophoneView:
        """Keep the settings of recording by itself; `Triggers` checks and obeys them."""
        kept = None if trigger is None else dict(trigger)
        return self._change(key, lambda record: dataclasses.replace(record, trigger=kept))

    def remove(self, key: str) -> None:
        """Close it and forget it, with its schedules; its clips stay. NotFound."""
        with self._changing:
            record = self._record(key)
            view = self._view(record)
            self._rows.remove(record.id)
            with self._lock:
                self._records.pop(record.id, None)
            self._close(record.id)
        self._bus.publish("microphone", {"what": "removed", "microphone": asdict(view)})

    # --- inside --------------------------------------------------------------------------------

    def _change(
        self, key: str, change: Callable[[MicrophoneRecord], MicrophoneRecord]
    ) -> MicrophoneView:
        with self._changing:
            before = self._record(key)
            record = self._rows.put(change(before))
            with self._lock:
                self._records[record.id] = record
                capture = self._captures.get(record.id)
            if capture is not None:
                capture.gain_db = record.gain_db
                capture.channel = record.channel
            if record.enabled and capture is None:
                self._open(record)
            elif not record.enabled:
                self._close(record.id)
        self._tell("changed", record)
        return self._view(record)

    def _open(self, record: MicrophoneRecord) -> None:
        if not self._running:
            return
        capture = Capture(
            record.id,
            record.source,
            gain_db=record.gain_db,
            channel=record.channel,
            ring_seconds=self._ring_s,
            on_state=lambda status: self._state(record.id, status),
        )
        with self._lock:
            if self._paused is not None:
                capture.pause(*self._paused)
            self._captures[record.id] = capture
        capture.start()

    def _all_captures(self) -> list[Capture]:
        with self._lock:
            return list(self._captures.values())

    def _close(self, identifier: str) -> None:
        with self._lock:
            capture = self._captures.pop(identifier, None)
        # Outside the lock: its thread may be telling us of a change of state right now.
        if capture is not None:
            capture.stop()

    def _state(self, identifier: str, status: CaptureStatus) -> None:
        with self._lock:
            record = self._records.get(identifier)
        if record is not None:
            view = dataclasses.replace(self._view(record), status=status)
            self._bus.publish("microphone", {"what": "state", "microphone": asdict(view)})

    def _tell(self, what: str, record: MicrophoneRecord) -> None:
        self._bus.publish("microphone", {"what": what, "microphone": asdict(self._view(record))})

    def _record(self, key: str) -> MicrophoneRecord:
        with self._lock:
            record = self._records.get(key)
            if record is None:
                named = [record for record in self._records.values() if record.name == key]
                record = named[0] if named else None
        if record is None:
            raise no_microphone(key, [record.name for record in self._rows.all()])
        return record

    def _view(self, record: MicrophoneRecord) -> MicrophoneView:
        with self._lock:
            capture = self._captures.get(record.id)
        if capture is not None:
            status = capture.status()
        else:
            status = CaptureStatus("stopped", "disabled" if not record.enabled else "")
        return MicrophoneView(
            id=record.id,
            name=record.name,
            source=record.source,
            enabled=record.enabled,
            listen=record.listen,
            gain_db=record.gain_db,
            channel=record.channel,
            trigger=record.trigger,
            created_at=record.created_at,
            status=status,
        )

    def _new_id(self, spec: SourceSpec) -> str:
        plain = f"replay:{spec.target}" if spec.kind == "replay" else spec.target
        with self._lock:
            taken = set(self._records)
        if plain not in taken:
            return plain
        if spec.kind != "replay":
            raise Conflict(f"{plain} is set up already", "change that one, or remove it first")
        return next(
            made
            for number in range(2, len(taken) + 3)
            if (made := f"{plain}#{number}") not in taken
        )

    def _free_name(self, spec: SourceSpec) -> str:
        if spec.kind == "replay":
            base = spec.path.stem or "replay"
        else:
            named = [device.name for device in list_cards() if device.id == spec.target]
            base = named[0] if named else spec.target
        base = base[: LONGEST_NAME - 10]
        with self._lock:
            taken = {record.name for record in self._records.values()}
        return next(
            made
            for number in range(1, len(taken) + 2)
            if (made := base if number == 1 else f"{base} {number}") not in taken
        )
