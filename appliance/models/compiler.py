"""From a version to an engine of this device: out of the cache, or built in a child."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from appliance.errors import EngineError, Stopped, Unavailable
from appliance.models.build_process import LIMIT_S, BuildResult, run_build
from appliance.models.card import read_card
from appliance.models.certificate import Certificate
from appliance.models.engine import Engine, load_engine
from appliance.models.engine_cache import EngineCache, StaleEngine
from appliance.models.onnx_engine import read_network
from appliance.models.target import EngineKey, Target, engine_key, this_device

log = logging.getLogger(__name__)

LOADING_FILE = "loading"
TIMING_FILE = "timing-{}.cache"
_WARM_UPS = 3

Progress = Callable[[str, float], None]
Build = Callable[..., BuildResult]


@dataclass(frozen=True)
class Prepared:
    """An engine that can listen at once. `certificate` may say that it must not."""

    engine: Engine
    certificate: Certificate
    key: EngineKey


class Compiler:
    """Thread-safe; one build at a time, since two would fight for the same GPU and memory."""

    def __init__(
        self,
        engines: Path,
        *,
        microphones: Callable[[], int] = lambda: 1,
        find_target: Callable[[], Target] = this_device,
        build: Build = run_build,
        limit_s: float = LIMIT_S,
    ) -> None:
        """engines: the cache's folder. microphones: how many windows listening judges at once,
        for the certificate. `find_target` is asked once, when it is first needed."""
        self._cache = EngineCache(engines)
        self._microphones = microphones
        self._find_target = find_target
        self._build = build
        self._limit_s = limit_s
        self._closing = threading.Event()
        self._stop = threading.Event()
        """Ends the build that is on its way."""
        self._forget_what_killed_us()

    @cached_property
    def target(self) -> Target:
        """What engines are made for here."""
        target = self._find_target()
        log.info("engines are made for %s", target)
        return target

    def key(self, version: Path, onnx_sha256: str, precision: str) -> EngineKey:
        """What the engine of that version depends on. Raises InvalidInput when its card is
        damaged."""
        card = read_card(version / "card.json")
        return engine_key(self.target, precision, onnx_sha256, card.window_samples)

    def from_cache(self, version: Path, key: EngineKey) -> Prepared | None:
        """The engine that was built before, or None.

        Raises StaleEngine when that one was altered or cannot be loaded (it is gone from the
        cache then), and EngineError when the version's own network was altered.
        """
        read_network(version / "model.onnx", key.onnx_sha256)
        stored = self._cache.get(key.fingerprint)
        if stored is None:
            return None
        try:
            engine = self._load(version, key, stored.content)
        except EngineError as error:
            self._cache.remove(key.fingerprint)
            raise StaleEngine(f"the engine built before cannot be loaded: {error}") from error
        return Prepared(engine, Certificate.from_json(stored.facts["certificate"]), key)

    def build(
        self, version: Path, key: EngineKey, progress: Progress, stop: threading.Event
    ) -> Prepared:
        """Compile and certify in a child, and keep the engine when it passed. `stop` ends it. One
        at a time: `Building` sees to that.

        Raises EngineError when that fails, Stopped when `stop` was set, Unavailable when the daemon
        stops meanwhile.
        """
        with tempfile.TemporaryDirectory(prefix="build-", dir=self._cache.folder) as out:
            timing = self._timing_file(key)
            job = {
                "version": str(version.absolute()),
                "out": out,
                "onnx_sha256": key.onnx_sha256,
                "precision": key.precision,
                "target": asdict(self.target),
                "batch": max(1, self._microphones()),
                "timing_cache": str(timing),
            }
            made = self._until_stopped(job, progress, stop)
            if made.timing_cache:
                new = Path(out) / "timing.new"
                new.write_bytes(made.timing_cache)
                new.replace(timing)
        if made.certificate.passed:
            facts = {"key": asdict(key), "certificate": made.certificate.as_json()}
            self._cache.put(key.fingerprint, made.engine, facts)
        progress("loading", 0.95)
        return Prepared(self._load(version, key, made.engine), made.certificate, key)

    def close(self) -> None:
        """End a build that is on its way, and begin none any more."""
        self._closing.set()
        self._stop.set()

    def _until_stopped(
        self, job: dict[str, object], progress: Progress, stop: threading.Event
    ) -> BuildResult:
        self._stop = stop
        if self._closing.is_set():
            stop.set()
        try:
            return self._build(job, progress, stop, limit_s=self._limit_s)
        except Unavailable:
            if self._closing.is_set():
                raise
            raise Stopped(
                "the build of its engine was stopped", "what listened before goes on"
            ) from None

    def _load(self, version: Path, key: EngineKey, content: bytes) -> Engine:
        """Load and warm up, so that the first windows are not late."""
        loading = self._cache.folder / LOADING_FILE
        loading.write_text(key.fingerprint)
        try:
            engine = load_engine(key.runtime, content, read_card(version / "card.json"))
            for batch in {1, max(1, self._microphones())}:
                for _ in range(_WARM_UPS):
                    engine.run(np.zeros((batch, engine.window_samples), dtype=np.float32))
        finally:
            loading.unlink(missing_ok=True)
        return engine

    def _forget_what_killed_us(self) -> None:
        """An engine whose loading ended the daemon is not tried again: it is built anew."""
        loading = self._cache.folder / LOADING_FILE
        try:
            fingerprint = loading.read_text()
        except FileNotFoundError:
            return
        log.warning("the daemon ended while it loaded the engine %s: dropped", fingerprint[:12])
        if len(fingerprint) == 64 and fingerprint.isalnum():
            self._cache.remove(fingerprint)
        loading.unlink()

    def _timing_file(self, key: EngineKey) -> Path:
        """TensorRT refuses a timing cache of another release or GPU by itself."""
        return self._cache.folder / TIMING_FILE.format(key.runtime)


def why_rebuilt(key: EngineKey, earlier: dict[str, object]) -> str:
    """What changed since an engine was built, in words."""
    if not earlier:
        return "its engine was made by an earlier release"
    changes = key.changes(earlier)
    return "; ".join(changes) if changes else "its engine is not there any more"
