"""What can go wrong between a client and the daemon.

ClientError               the daemon refused; says why and what to do
└── DaemonUnreachable     nobody answers; says how to start it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from appliance.errors import EarmarkError

TOKEN_ADVICE = (
    "give it with --token or EARMARK_TOKEN; "
    "it stands in the file `token` of the daemon's data folder"
)
START_IT = "start it with `earmark serve`, or name another one with --url or --data"


class ClientError(EarmarkError):
    """The daemon said no. `status` is HTTP's; `reasons` lists what keeps training from starting;
    `problem` is the whole RFC 9457 body."""

    def __init__(
        self,
        message: str,
        advice: str = "",
        status: int = 0,
        reasons: Sequence[str] = (),
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, advice)
        self.status = status
        self.reasons = list(reasons)
        self.problem = dict(problem or {})


class DaemonUnreachable(ClientError):
    """Nobody answers at the address."""


def parsed(response: httpx.Response) -> Any:
    """The JSON of an answer (or its text); a refusal is raised as ClientError."""
    if response.is_error:
        raise refusal(response)
    if response.status_code == 204 or not response.content:
        return None
    if "json" in response.headers.get("content-type", ""):
        return response.json()
    return response.text


def refusal(response: httpx.Response) -> ClientError:
    """The daemon's problem as an error; something that is not our daemon is said to be so."""
    problem: Any = None
    if "json" in response.headers.get("content-type", ""):
        try:
            problem = response.json()
        except ValueError:
            problem = None
    if not isinstance(problem, dict):
        return ClientError(
            f"unexpected answer: HTTP {response.status_code} from {response.url}",
            "is that address really an Earmark daemon?",
            response.status_code,
        )
    message = problem.get("detail") or problem.get("title") or f"HTTP {response.status_code}"
    # The API speaks of headers; a person types options.
    advice = TOKEN_ADVICE if response.status_code == 401 else problem.get("advice") or ""
    return ClientError(
        str(message), str(advice), response.status_code, problem.get("reasons") or (), problem
    )
