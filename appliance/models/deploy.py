"""Which version listens now, since when, and which did before.

A deployment is certified before it goes live, and swapped in while others run the old engine:
whoever holds that one finishes with it, and gets the new one at the next `engine()`.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from appliance.errors import Conflict, EarmarkError, EngineError, NotFound
from appliance.events import EventBus
from appliance.models.certificate import Certificate, certify
from appliance.models.engine import Engine, open_engine
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.store.database import Database, Row

log = logging.getLogger(__name__)

LIVE, REPLACED, REFUSED = "live", "replaced", "refused"


@dataclass(frozen=True)
class Deployment:
    """One row of the history; `certificate` holds the figures of the comparison.

    `problem` says why a live deployment does not run, after a start that could not load it.
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
    problem: str = ""

    @classmethod
    def from_row(cls, row: Row) -> Deployment:
        values = {name: row[name] for name in row if name in cls.__dataclass_fields__}
        return cls(**{**values, "certificate": json.loads(row["certificate"])})


class Deployments:
    """The table `deployments` and the engine that is live."""

    def __init__(self, db: Database, folder: DataFolder, versions: Versions, bus: EventBus) -> None:
        self._db = db
        self._folder = folder
        self._versions = versions
        self._bus = bus
        self._changing = threading.Lock()  # one deployment at a time; held while certifying
        self._live: tuple[Deployment, Engine] | None = None  # swapped as a whole
        self._problem = ""

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
        return replace(Deployment.from_row(row), problem=self._problem) if row else None

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

    def deploy(self, name: str, precision: str = "fp32", author: str = "") -> Deployment:
        """Compile, certify and swap in version `name`.

        Raises NotFound, InvalidInput for an unknown precision, and EngineError with the figures
        when the engine does not agree with the training; what listened before goes on then.
        """
        with self._changing:
            self._versions.get(name)
            path = self._versions.path(name)
            engine = open_engine(path, precision, self._versions.onnx_sha256(name))
            try:
                certificate = certify(engine, path / "reference.npz", precision)
                if not certificate.passed:
                    self._record(name, certificate, REFUSED, author)
                    raise EngineError(
                        f"{name} was refused: {certificate.sentence()}",
                        "deploy another version, or train this one again",
                    )
                deployment = self._go_live(name, certificate, author, engine)
            except BaseException:
                engine.close()
                raise
        log.info("%s is live: %s", name, certificate.sentence())
        self._bus.publish("deployment", asdict(deployment))
        return deployment

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
        """At start: load the live deployment again. A broken one is shown, and stops nothing."""
        with self._changing:
            deployment = self.current()
            if deployment is None:
                return None
            name = deployment.version
            try:
                path = self._versions.path(name)
                sha256 = self._versions.onnx_sha256(name)
                engine = open_engine(path, deployment.precision, sha256)
                if engine.name != deployment.engine:
                    # Another release of the runtime: what it was certified for is gone.
                    certificate = certify(engine, path / "reference.npz", deployment.precision)
                    if not certificate.passed:
                        engine.close()
                        raise EngineError(
                            f"{name} does not agree under {engine.name}: {certificate.sentence()}"
                        )
            except (EarmarkError, OSError) as error:
                log.error("%s cannot listen: %s", name, error)
                self._problem = str(error)
            else:
                self._problem = ""
                self._live = (deployment, engine)
                log.info("%s is live again on %s", name, engine.name)
        deployment = self.current()
        if deployment is not None:
            self._bus.publish("deployment", asdict(deployment))
        return deployment

    def close(self) -> None:
        """Free the engine; the deployment stays live for the next start."""
        live, self._live = self._live, None
        if live:
            live[1].close()

    def _go_live(
        self, name: str, certificate: Certificate, author: str, engine: Engine
    ) -> Deployment:
        with self._db.write() as db:
            self._versions.get(name)  # it may have been deleted while it was certified
            db.conn.execute(
                "UPDATE deployments SET state = ?, ended_at = ? WHERE state = ?",
                [REPLACED, time.time(), LIVE],
            )
            deployment = self._record(name, certificate, LIVE, author)
        # The old engine is not closed: a listener may be about to run it. It goes with its last
        # user.
        self._live = (deployment, engine)
        self._problem = ""
        return deployment

    def _record(self, name: str, certificate: Certificate, state: str, author: str) -> Deployment:
        now = time.time()
        row = {
            "version": name,
            "precision": certificate.precision,
            "engine": certificate.engine,
            "state": state,
            "certificate": json.dumps({**asdict(certificate), "passed": certificate.passed}),
            "author": author,
            "created_at": now,
            "ended_at": None if state == LIVE else now,
        }
        with self._db.write() as db:
            columns = ", ".join(row)
            values = ", ".join(f":{column}" for column in row)
            cursor = db.conn.execute(f"INSERT INTO deployments ({columns}) VALUES ({values})", row)
        return Deployment.from_row({**row, "id": cursor.lastrowid})
