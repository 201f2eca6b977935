"""A daemon that answers like the real one as far as an import goes, and fails when told to."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, Any]
Route = Callable[[str, dict[str, str], Any], Answer]


class FakeDaemon:
    """`clips` is the library; `before` may answer a request instead (None: go on)."""

    def __init__(self) -> None:
        self.clips: list[dict[str, Any]] = []
        self.labels: set[str] = set()
        self.requests: list[tuple[str, str]] = []
        self.before: Callable[[str, str, Any], Answer | None] = lambda method, path, body: None
        self._lock = threading.Lock()
        daemon = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                daemon._handle(self)

            do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def count(self, method: str, path: str) -> int:
        return sum(1 for seen in self.requests if seen == (method, path))

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        split = urlsplit(request.path)
        path = split.path.removeprefix("/api/v1")
        raw = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        body = self._body(request.headers.get("Content-Type", ""), raw)
        with self._lock:
            self.requests.append((request.command, path))
            answer = self.before(request.command, path, body)
            if answer is None:
                answer = self._answer(request.command, path, parse_qs(split.query), body)
        status, content = answer
        if status == 0:  # as when the process is killed
            request.close_connection = True
            return
        kind = "application/problem+json" if status >= 400 else "application/json"
        sent = json.dumps(content).encode()
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(sent)))
        request.end_headers()
        request.wfile.write(sent)

    @staticmethod
    def _body(kind: str, raw: bytes) -> Any:
        if kind.startswith("multipart/"):
            message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + raw)
            form: dict[str, Any] = {"files": []}
            for part in message.get_payload():  # type: ignore[union-attr]
                content = part.get_payload(decode=True)  # type: ignore[union-attr]
                name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
                if name == "file":
                    form["files"].append(content)
                else:
                    form[str(name)] = content.decode()  # type: ignore[union-attr]
            return form
        return json.loads(raw) if raw else None

    def _answer(self, method: str, path: str, query: dict[str, Any], body: Any) -> Answer:
        if (method, path) == ("GET", "/labels"):
            return 200, {"items": [{"name": n, "clips": 1, "sessions": 1} for n in self.labels]}
        if (method, path) == ("POST", "/labels"):
            if body["name"] in self.labels:
                return 409, {"detail": "it exists", "advice": "", "status": 409}
            self.labels.add(body["name"])
            return 201, {"name": body["name"], "clips": 0, "sessions": 0}
        if (method, path) == ("POST", "/clips/known"):
            known = {c["sha256"]: [c["id"]] for c in self.clips if c["sha256"] in body["sha256"]}
            return 200, {"known": known}
        if (method, path) == ("POST", "/clips/label"):
            for clip in self.clips:
                if clip["id"] in body["clips"]:
                    clip["label"] = body["label"]
            return 200, {"changed": len(body["clips"]), "warnings": []}
        if (method, path) == ("POST", "/clips"):
            items = json.loads(body["items"])
            pairs = zip(items, body["files"], strict=True)
            return 201, {"results": [self._store(item, content) for item, content in pairs]}
        if (method, path) == ("GET", "/clips"):
            return 200, {"items": self.clips, "next": None}
        if method == "GET" and path.startswith("/clips/"):
            return 200, next(c for c in self.clips if c["id"] == int(path.rpartition("/")[2]))
        if (method, path) == ("GET", "/schedules"):
            return 200, {"items": [{"id": 1, "microphone": "m", "at": "06:30", "seconds": 60}]}
        if path == "/healthz":
            return 200, {"status": "ok"}
        return 404, {"detail": f"nothing at {path}", "advice": "", "status": 404}

    def _store(self, item: dict[str, Any], content: bytes) -> dict[str, Any]:
        sha256 = hashlib.sha256(content).hexdigest()
        result: dict[str, Any] = {"filename": item["filename"], "sha256": sha256, "error": None}
        if content.startswith(b"bad"):
            problem = {"detail": "not audio: bad", "advice": "record it again", "status": 422}
            return {**result, "clips": [], "new": False, "error": problem}
        clip = {"id": len(self.clips) + 1, **item, "sha256": sha256}
        self.clips.append(clip)
        return {**result, "clips": [clip], "new": True}
