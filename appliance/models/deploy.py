"""Which version listens now, since when, and which did before.

A deployment is compiled and certified before it goes live, and swapped in while others run the old
engine: whoever holds that one finishes with it, and gets the new one at the next `engine()`. An
engine that an upgrade made stale is built anew in the background, while ONNX Runtime listens.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from appliance.errors import (
    Conflict,
    EarmarkError,
    EngineError,
    NotFound,
    Stopped,
    Unavailable,
)
from appliance.events import EventBus
from appliance.models.building import Building
from appliance.models.certificate import certify
from appliance.models.compiler import Compiler, Prepared, why_rebuilt
from appliance.models.engine import Engine, check_precision, open_reference_engine
from appliance.models.engine_cache import StaleEngine
from appliance.models.target import EngineKey
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.store.database import Database, Row

log = logging.getLogger(__name__)

LIVE, REPLACED, REFUSED = "live", "replaced", "refused"


@dataclass(frozen=True)
class Deployment:
    """One row of the history; `certificate` holds the figures of the comparison, `made_for` what
    its engine depends on (runtime, GPU, L4T, ...).

    Of the live one, `problem` says why it does not run, after a start that could not load it, and
    `notice` that ONNX Runtime stands in for its engine, and why.
    """

    id: int
    version: str
    precision: str
    engine: str
    state: str
    created_at: float
    ended_at: float | None
    certificate: dict[str, Any]
    author: str
    made_for: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    notice: str = ""

    @classmethod
    def from_row(cls, row: Row) -> Deployment:
        values = {name: row[name] for name in row if name in cls.__dataclass_fields__}
        for name in ("certificate", "made_for"):
            values[name] = json.loads(row[name])
        return cls(**values)


class Deployments:
    """The table `deployments` and the engine that is live."""

    def __init__(
        self,
        db: Database,
        folder: DataFolder,
        versions: Versions,
        bus: EventBus,
        compiler: Compiler | None = None,
    ) -> None:
        self._db = db
        self._folder = folder
        self._versions = versions
        self._bus = bus
        self._compiler = compiler or Compiler(folder.engines)
        self._changing = threading.Lock()  # one deployment at a time; held while certifying
        self._live: tuple[Deployment, Engine] | None = None  # swapped as a whole
        self._problem = ""
        self._notice = (0, "")  # the deployment that it is about, and what it says
        self.building = Building(self._compiler, bus)
        self._rebuilding: threading.Thread | None = None

    def engine(self) -> Engine | None:
        """The live engine, or None. Ask again for each batch: it may have been swapped."""
        live = self._live
        return live[1] if live else None

    def live(self) -> tuple[Deployment, Engine] | None:
        """The live deployment together with its engine, from one moment; None without either."""
        return self._live

    def card(self, name: str) -> dict[str, Any]:
        """What version `name` says about itself; empty when that cannot be read."""
        try:
            return self._versions.card(name)
        except EarmarkError as error:
            log.warning("the card of %s cannot be read: %s", name, error)
            return {}

    def current(self) -> Deployment | None:
        """The live deployment; its `problem` is set when it could not be loaded."""
        row = self._db.row("SELECT * FROM deployments WHERE state = ?", [LIVE])
        if row is None:
            return None
        about, notice = self._notice
        notice = notice if about == row["id"] else ""
        return replace(Deployment.from_row(row), problem=self._problem, notice=notice)

    def get(self, identifier: int) -> Deployment:
        """One of the history. NotFound."""
        row = self._db.row("SELECT * FROM deployments WHERE id = ?", [identifier])
        if row is None:
            raise NotFound(f"there is no deployment {identifier}", "`earmark deploy` lists them")
        return Deployment.from_row(row)

    def history(self) -> list[Deployment]:
        """Every deployment, refused ones too, the newest first."""
        rows = self._db.rows("SELECT * FROM deployments ORDER BY id DESC")
        return [Deployment.from_row(row) for row in rows]

    def deploy(
        self,
        name: str,
        precision: str = "fp32",
        author: str = "",
        stop: threading.Event | None = None,
    ) -> Deployment:
        """Compile, certify and swap in version `name`. `stop` ends the compiling.

        Raises NotFound, InvalidInput for an unknown precision, Stopped, and EngineError with the
        figures when the engine does not agree with the training; what listened before goes on then.
        """
        check_precision(precision)
        stop = stop or threading.Event()
        with self._changing:
            self._versions.get(name)
            prepared = self._prepare(name, precision, stop)
            try:
                if stop.is_set():  # in its last moment
                    raise Stopped(f"deploying {name} was stopped", "what listened before goes on")
                self._demand_agreement(name, prepared, author)
                deployment = self._go_live(name, prepared, author)
            except BaseException:
                prepared.engine.close()
                raise
        log.info("%s is live: %s", name, prepared.certificate.sentence())
        self._bus.publish("deployment", asdict(deployment))
        return deployment

    def prepare(self, name: str, precision: str, *, build: bool = True) -> Engine:
        """A certified engine of version `name` that does not go live. The caller closes it.

        Without `build`, one that is not in the cache is the version in ONNX Runtime, fp32. Raises
        NotFound, InvalidInput and EngineError as `deploy` does; nothing is recorded.
        """
        check_precision(precision)
        self._versions.get(name)
        path, key = self._key(name, precision)
        if not build:
            with contextlib.suppress(StaleEngine):
                if cached := self._compiler.from_cache(path, key):
                    return cached.engine
            return open_reference_engine(path, key.onnx_sha256)
        prepared = self._prepare(name, precision)
        if not prepared.certificate.passed:
            prepared.engine.close()
            raise _refusal(name, prepared)
        return prepared.engine

    def rollback(self, author: str = "") -> Deployment:
        """Deploy again what was live before; twice in a row comes back to where it began.

        Raises Conflict when there was nothing before, or nothing of it is left.
        """
        now = self.current()
        for before in self.history():
            if before.state != REPLACED:
                continue
            if now and (before.version, before.precision) == (now.version, now.precision):
                continue
            try:
                return self.deploy(before.version, before.precision, author)
            except NotFound:
                continue  # deleted since: go further back
        raise Conflict(
            "there is no earlier deployment to go back to", "`earmark deploy VERSION` names one"
        )

    def restore(self) -> Deployment | None:
        """At start: load the live deployment again. A broken one is shown, and stops nothing; for
        a stale engine ONNX Runtime stands in until it is built anew."""
        with self._changing:
            deployment = self.current()
            if deployment is None:
                return None
            try:
                stale = self._load_again(deployment)
            except (EarmarkError, OSError) as error:
                log.error("%s cannot listen: %s", deployment.version, error)
                self._problem, stale = str(error), ""
            else:
                self._problem = ""
            if stale:
                notice = f"ONNX Runtime listens while the engine is built anew: {stale}"
                self._notice = (deployment.id, notice)
                log.warning("%s: %s", deployment.version, notice)
                self._rebuilding = threading.Thread(
                    target=self._rebuild, args=[deployment], name="rebuild", daemon=True
                )
                self._rebuilding.start()
        return self._tell()

    def close(self) -> None:
        """Free the engine; the deployment stays live for the next start."""
        self._compiler.close()
        if self._rebuilding is not None:
            self._rebuilding.join()
        live, self._live = self._live, None
        if live:
            live[1].close()

    # --- the steps of a deployment ---------------------------------------------------------------

    def _prepare(self, name: str, precision: str, stop: threading.Event | None = None) -> Prepared:
        """Its engine, out of the cache or built now. Raises EngineError."""
        path, key = self._key(name, precision)
        try:
            if cached := self._compiler.from_cache(path, key):
                return cached
        except StaleEngine as error:
            log.warning("%s: it is built anew", error)
        return self.building.build(name, precision, path, key, stop)

    def _key(self, name: str, precision: str) -> tuple[Path, EngineKey]:
        path = self._versions.path(name)
        return path, self._compiler.key(path, self._versions.onnx_sha256(name), precision)

    def _demand_agreement(self, name: str, prepared: Prepared, author: str) -> None:
        """Record and refuse an engine that does not say what was trained."""
        if not prepared.certificate.passed:
            self._record(name, prepared, REFUSED, author)
            raise _refusal(name, prepared)

    def _go_live(self, name: str, prepared: Prepared, author: str) -> Deployment:
        with self._db.write() as db:
            self._versions.get(name)  # it may have been deleted while it was certified
            db.conn.execute(
                "UPDATE deployments SET state = ?, ended_at = ? WHERE state = ?",
                [REPLACED, time.time(), LIVE],
            )
            deployment = self._record(name, prepared, LIVE, author)
        # The old engine is not closed: a listener may be about to run it. It goes with its last
        # user.
        self._live = (deployment, prepared.engine)
        self._problem = ""
        return deployment

    # --- after a start ---------------------------------------------------------------------------

    def _load_again(self, deployment: Deployment) -> str:
        """Let it listen, and say why its engine is stale; nothing when it is the right one."""
        name, precision = deployment.version, deployment.precision
        path, key = self._key(name, precision)
        stale = ""
        try:
            prepared = self._compiler.from_cache(path, key)
        except StaleEngine as error:
            prepared, stale = None, str(error)
        if prepared is not None:
            self._renew(deployment, prepared)
            log.info("%s is live again on %s", name, prepared.engine.name)
            return ""
        engine = open_reference_engine(path, key.onnx_sha256)
        certificate = certify(engine, path / "reference.npz", "fp32", timed=False)
        if not certificate.passed:
            engine.close()
            raise EngineError(
                f"{name} does not agree under {engine.name}: {certificate.sentence()}"
            )
        self._live = (deployment, engine)
        return stale or why_rebuilt(key, deployment.made_for)

    def _rebuild(self, deployment: Deployment) -> None:
        """On a thread of its own: build the engine of `deployment` anew and swap it in."""
        name = deployment.version
        try:
            path, key = self._key(name, deployment.precision)
            prepared = self.building.build(name, deployment.precision, path, key)
            with self._changing:
                live = self._live
                if live is None or live[0].id != deployment.id:
                    prepared.engine.close()  # another one was deployed meanwhile
                    return
                if not prepared.certificate.passed:
                    prepared.engine.close()
                    raise EngineError(f"it was refused: {prepared.certificate.sentence()}")
                self._renew(deployment, prepared)
                self._notice = (0, "")
        except Unavailable:
            return  # the daemon stops; the next start builds it
        except Stopped:
            log.info("the engine of %s is not built anew: that was stopped", name)
            notice = "ONNX Runtime listens: building its engine was stopped; deploy it again"
            self._notice = (deployment.id, notice)
        except Exception as error:  # a thread's end must not go unseen
            log.exception("the engine of %s could not be built anew", name)
            notice = f"ONNX Runtime listens, since no engine could be built: {error}"
            self._notice = (deployment.id, notice)
        else:
            log.info("%s listens on %s again", name, prepared.engine.name)
        self._tell()

    def _renew(self, deployment: Deployment, prepared: Prepared) -> None:
        """The same deployment on another engine; its row follows."""
        renewed = replace(
            deployment,
            engine=prepared.engine.name,
            certificate=prepared.certificate.as_json(),
            made_for=asdict(prepared.key),
            notice="",
            problem="",
        )
        if renewed != deployment:
            with self._db.write() as db:
                db.conn.execute(
                    "UPDATE deployments SET engine = ?, certificate = ?, made_for = ? WHERE id = ?",
                    [
                        renewed.engine,
                        json.dumps(renewed.certificate),
                        json.dumps(renewed.made_for),
                        deployment.id,
                    ],
                )
        self._live = (renewed, prepared.engine)

    def _tell(self) -> Deployment | None:
        deployment = self.current()
        if deployment is not None:
            self._bus.publish("deployment", asdict(deployment))
        return deployment

    def _record(self, name: str, prepared: Prepared, state: str, author: str) -> Deployment:
        now = time.time()
        row = {
            "version": name,
            "precision": prepared.certificate.precision,
            "engine": prepared.engine.name,
            "state": state,
            "certificate": json.dumps(prepared.certificate.as_json()),
            "made_for": json.dumps(asdict(prepared.key)),
            "author": author,
            "created_at": now,
            "ended_at": None if state == LIVE else now,
        }
        with self._db.write() as db:
            columns = ", ".join(row)
            values = ", ".join(f":{column}" for column in row)
            cursor = db.conn.execute(f"INSERT INTO deployments ({columns}) VALUES ({values})", row)
        return Deployment.from_row({**row, "id": cursor.lastrowid})


def _refusal(name: str, prepared: Prepared) -> EngineError:
    certificate = prepared.certificate
    return EngineError(
        f"{name} was refused: {certificate.sentence()}",
        "deploy another version, or train this one again"
        if certificate.precision == "fp32"
        else "deploy it with --precision fp32",
    )
