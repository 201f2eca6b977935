"""The one HTTP client of the daemon, for the command line, the demo and the terminal UI.

It imports httpx and little else, so that a command starts quickly. Its errors are in
`client_errors.py`.
"""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import quote, urlsplit

import httpx

from appliance.client_errors import START_IT, ClientError, DaemonUnreachable, parsed, refusal
from appliance.client_events import follow
from appliance.client_patience import PatientTransport
from appliance.paths import SERVICE_SOCKET, DataFolder, default_data_folder

__all__ = ["FILES_A_REQUEST", "Client", "ClientError", "DaemonUnreachable", "quoted"]

PREFIX = "/api/v1"
FILES_A_REQUEST = 64
"""`POST /clips` takes at most this many files in one request."""

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LOST_LINE = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.ConnectError)

UploadFile = Path | tuple[str, "Path | bytes"]
"""A file on disk, or (the name that the daemon shall see, a file or its bytes)."""


def quoted(name: object) -> str:
    """`name` as one segment of a path: `client.get(f"/labels/{quoted(label)}/threshold")`."""
    return quote(str(name), safe="")


class Client:
    """Talks to one daemon, over its unix socket or over TCP with a token.

    Paths are given without `/api/v1`. Answers are parsed JSON. Use it as a context manager, or
    call `close()`. Not thread-safe for `events()` and requests at once: take one client each.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        socket_path: Path | None = None,
        token: str | None = None,
        author: str | None = None,
        timeout_s: float = 120.0,
    ) -> None:
        if (url is None) == (socket_path is None):
            raise ValueError("give either url or socket_path")
        self.address = url if url is not None else f"unix:{socket_path}"
        headers = {"X-Author": quote(author or _user())}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            self._http = httpx.Client(
                base_url=url if url is not None else "http://localhost",
                # Proxies of the environment are for the world outside, never for this box.
                transport=PatientTransport(
                    httpx.HTTPTransport(
                        # Reading the system's certificates takes 40 ms, and plain HTTP needs none.
                        verify=(url or "").lower().startswith("https:"),
                        uds=str(socket_path) if socket_path else None,
                    )
                ),
                trust_env=False,
                headers=headers,
                timeout=httpx.Timeout(timeout_s, connect=5.0),
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ClientError(
                f"not a usable URL: {url!r} ({error})", "give one like http://127.0.0.1:8710"
            ) from None

    @classmethod
    def find(
        cls, url: str | None = None, token: str | None = None, data: Path | str | None = None
    ) -> Client:
        """The daemon at `url`, else `EARMARK_URL`, else the data folder's socket, else the
        service's socket. Raises DaemonUnreachable when there is none of them.

        The token comes from `token`, `EARMARK_TOKEN`, or the data folder's file; the file is only
        used for an address on this box, so that it is never sent elsewhere.
        """
        folder = DataFolder(Path(data).expanduser() if data else default_data_folder())
        token = token or os.environ.get("EARMARK_TOKEN") or None
        if data is None or url:
            url = url or os.environ.get("EARMARK_URL") or None
        if url:
            if token is None and _is_here(url):
                token = _token_of(folder)
            return cls(url=url, token=token)
        # A folder that was named means that folder's daemon, never another one.
        candidates = [folder.socket] if data else [folder.socket, SERVICE_SOCKET]
        for candidate in candidates:
            if _answers(candidate):
                return cls(socket_path=candidate, token=token)
        raise DaemonUnreachable(f"no daemon is running on {folder.root}", START_IT)

    # --- requests ------------------------------------------------------------------------------

    def get(self, path: str, **params: Any) -> Any:
        return self._json("GET", path, params=params)

    def post(
        self, path: str, json: Any = None, *, timeout_s: float | None = None, **params: Any
    ) -> Any:
        """`timeout_s`: of an answer that may take longer than others."""
        return self._json("POST", path, json=json, params=params, timeout_s=timeout_s)

    def put(self, path: str, json: Any = None, **params: Any) -> Any:
        return self._json("PUT", path, json=json, params=params)

    def patch(self, path: str, json: Any = None, **params: Any) -> Any:
        return self._json("PATCH", path, json=json, params=params)

    def delete(self, path: str, **params: Any) -> Any:
        return self._json("DELETE", path, params=params)

    def pages(self, path: str, **params: Any) -> Iterator[Any]:
        """All items of a list, fetched page by page as they are consumed."""
        cursor = params.pop("cursor", None)
        while True:
            page = self.get(path, cursor=cursor, **params)
            yield from page["items"]
            cursor = page.get("next")
            if cursor is None:
                return

    def content(self, path: str, **params: Any) -> bytes:
        """A body as it is: a picture, a sound."""
        return self._request("GET", path, params=params).content

    def download(self, path: str, target: Path, **params: Any) -> Path:
        """Stream a body into `target`, which appears only when it is complete."""
        partial = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with (
                self._errors(),
                self._http.stream("GET", PREFIX + path, params=_given(params)) as response,
            ):
                if response.is_error:
                    response.read()
                    raise refusal(response)
                with partial.open("wb") as out:
                    for block in response.iter_bytes(1 << 18):
                        out.write(block)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        return target

    def upload(
        self,
        path: str,
        files: Sequence[UploadFile],
        data: Mapping[str, Any] | None = None,
        retries: int | None = None,
    ) -> Any:
        """POST `files` as multipart parts called `file`, read from disk while they are sent.

        `data` holds the other parts as text (JSON already dumped). When the line breaks the whole
        request is sent again, up to `retries` times; by default only where that changes nothing:
        the daemon knows an uploaded sound by its hash, so for clips and predictions.
        """
        if retries is None:
            retries = 2 if path in ("/clips", "/predict") else 0
        for attempt in range(retries + 1):
            with ExitStack() as stack:
                parts = [("file", _part(file, stack)) for file in files]
                try:
                    response = self._http.post(
                        PREFIX + path,
                        files=parts,
                        data={k: v for k, v in (data or {}).items() if v is not None},
                        timeout=httpx.Timeout(600.0, connect=5.0),
                    )
                except _LOST_LINE as error:
                    if attempt == retries:
                        raise self._unreachable(error) from error
                except httpx.HTTPError as error:
                    raise self._unreachable(error) from error
                else:
                    return parsed(response)
            time.sleep(0.5 * 2**attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def events(
        self, topics: Sequence[str] = (), *, give_up_after_s: float | None = None
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """(topic, data) of each event as it happens; every topic when none is named.

        When the line breaks it connects again by itself and is told what it missed, for ever or
        until nobody has answered for `give_up_after_s`. The first connection must succeed:
        otherwise DaemonUnreachable or ClientError.
        """
        return follow(self.open_events, topics, give_up_after_s)

    @contextmanager
    def open_events(
        self, topics: Sequence[str] = (), last_id: str | None = None
    ) -> Iterator[Iterator[str]]:
        """The lines of one connection to the event stream, for whoever wants to know when it
        breaks; `client_events.parse` reads them."""
        with (
            self._errors(),
            self._http.stream(
                "GET",
                PREFIX + "/events",
                params={"topics": ",".join(topics)} if topics else {},
                headers={"Last-Event-ID": last_id} if last_id else {},
                # The daemon sends a heartbeat every 15 s: three missing ones are a dead line.
                timeout=httpx.Timeout(45.0, connect=5.0),
            ) as response,
        ):
            if response.is_error:
                response.read()
                raise refusal(response)
            yield response.iter_lines()

    # --- the rest ------------------------------------------------------------------------------

    def healthy(self) -> bool:
        """Whether the daemon answers at all."""
        try:
            return self._http.get("/healthz").is_success
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _json(self, method: str, path: str, **rest: Any) -> Any:
        return parsed(self._request(method, path, **rest))

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any],
        json: Any = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        limit = self._http.timeout if timeout_s is None else httpx.Timeout(timeout_s, connect=5.0)
        # A kept connection that the daemon has closed meanwhile shows only when it is used.
        again = method in ("GET", "PUT")
        while True:
            try:
                response = self._http.request(
                    method, PREFIX + path, params=_given(params), json=json, timeout=limit
                )
            except _LOST_LINE as error:
                if not again or isinstance(error, httpx.ConnectError):
                    raise self._unreachable(error) from error
                again = False
            except httpx.HTTPError as error:
                raise self._unreachable(error) from error
            else:
                if response.is_error:
                    raise refusal(response)
                return response

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.HTTPError) -> DaemonUnreachable:
        if isinstance(error, httpx.TimeoutException) and not isinstance(
            error, httpx.ConnectTimeout
        ):
            return DaemonUnreachable(
                f"the daemon at {self.address} did not answer in time",
                "see its log; `earmark status` shows whether it is busy",
            )
        if "Permission denied" in str(error):
            return DaemonUnreachable(
                f"you may not use {self.address}",
                "ask for membership of the group that owns the socket, or use --url and --token",
            )
        advice = START_IT
        if not self.address.startswith("unix:"):
            advice = "check the address (--url, EARMARK_URL); on another box, is the ssh tunnel up?"
        return DaemonUnreachable(f"no daemon answers at {self.address} ({error})", advice)


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _part(file: UploadFile, stack: ExitStack) -> tuple[str, IO[bytes] | bytes, str]:
    name, source = file if isinstance(file, tuple) else (file.name, file)
    content = source if isinstance(source, bytes) else stack.enter_context(source.open("rb"))
    return name, content, "application/octet-stream"


def _is_here(url: str) -> bool:
    try:
        return urlsplit(url).hostname in _LOOPBACK
    except ValueError:
        return False


def _token_of(folder: DataFolder) -> str | None:
    try:
        return folder.token.read_text().strip() or None
    except OSError:
        return None


def _answers(path: Path) -> bool:
    """Whether somebody accepts on this socket; a crashed daemon leaves a dead one behind.

    One that we may not use counts: the request then says that permission is missing.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5.0)
        try:
            probe.connect(str(path))
        except PermissionError:
            return True
        except OSError:
            return False
    return True


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
