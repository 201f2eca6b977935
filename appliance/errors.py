"""Every error that a person can meet.

    EarmarkError
    ├── InvalidInput          what was given cannot be used            HTTP 422
    │   ├── DecodeError       a file that is not the audio it claims   HTTP 422
    │   └── TooLarge          over a cap that the settings name        HTTP 413
    ├── NotFound              no such clip, label, job, version …      HTTP 404
    ├── Conflict              right request, wrong moment              HTTP 409
    │   ├── NotReady          training is refused; `reasons` says why  HTTP 409
    │   ├── Regression        worse than what listens; `reasons`       HTTP 409
    │   └── Stopped           a person ended it before it was done     HTTP 409
    ├── Forbidden             no token, wrong token, foreign host      HTTP 401/403
    ├── Unavailable           needs something that is not there now    HTTP 503
    │   ├── MicrophoneError   missing, busy, refused
    │   └── LowSpace          the disk is full
    ├── TrainingError         a training that ended badly
    ├── EngineError           a model that cannot be compiled or run   HTTP 409
    └── StoreError            the database cannot be used              HTTP 503

`str(error)` says what is wrong in one line; `advice` says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence


class EarmarkError(Exception):
    """Base of all errors that are shown to people; `advice` may be empty."""

    status = 500

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class InvalidInput(EarmarkError, ValueError):
    status = 422


class DecodeError(InvalidInput):
    """A file that cannot be decoded: empty, truncated, not audio, lying about itself."""


class TooLarge(InvalidInput):
    status = 413


class NotFound(EarmarkError, LookupError):
    status = 404


class Conflict(EarmarkError):
    status = 409


class NotReady(Conflict):
    """Training is refused. `reasons` holds every reason, not only the first."""

    def __init__(self, reasons: Sequence[str], advice: str = "") -> None:
        super().__init__("not ready to train: " + "; ".join(reasons), advice)
        self.reasons = list(reasons)


class Regression(Conflict):
    """A version that is worse than the one that listens. `reasons` says in what."""

    def __init__(self, message: str, advice: str = "", reasons: Sequence[str] = ()) -> None:
        super().__init__(message, advice)
        self.reasons = list(reasons)


class Stopped(Conflict):
    """Something that a person ended before it was done."""


class Forbidden(EarmarkError, PermissionError):
    status = 403


class Unavailable(EarmarkError):
    status = 503


class MicrophoneError(Unavailable):
    """A microphone that is missing, busy or refuses the asked format."""


class LowSpace(Unavailable):
    """The disk that holds the data folder has no room left."""

    status = 507


class TrainingError(EarmarkError):
    """A training that ended badly. `reason` is one of the named ends of a job."""

    def __init__(self, reason: str, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.reason = reason


class EngineError(EarmarkError):
    status = 409


class StoreError(Unavailable):
    """The database cannot be opened or written."""
