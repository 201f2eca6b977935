"""Requests that make no sense, made from the API's own description; every answer must be words."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import httpx

from appliance.api.app import build

DOCUMENT: dict[str, Any] = build(None).openapi()

EVIL: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    10**40,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "x" * 5000,
    "\x00",
    "../../etc/passwd",
    "a\nb",
    "'; DROP TABLE clips; --",
    "\u202e\ufeff",
    [],
    [1],
    [None],
    ["x"],
    {},
    {"a": 1},
    [2**70],
]


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        if not path.endswith(("/events", "/available"))
    ]


def properties(operation: dict[str, Any]) -> list[str]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        schema = next((one for one in schema.get("anyOf", []) if "$ref" in one), schema)
        if "$ref" in schema:
            schema = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return list(schema["properties"])
    return []


def ask(http: httpx.Client, dice: random.Random) -> httpx.Response:
    """One request to a route that the dice choose, with ids, queries and a body of nonsense."""
    method, path, operation = dice.choice(OPERATIONS)
    path = re.sub(
        r"\{[^}]*\}", lambda _: str(dice.choice([1, 0, 2**64, "x", "%00", "..%2f"])), path
    )
    queries = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
    params = {name: str(dice.choice(EVIL)) for name in queries if dice.random() < 0.5}
    body = {name: dice.choice(EVIL) for name in properties(operation) if dice.random() < 0.8}
    url = "http://localhost" + path
    if "multipart/form-data" in operation.get("requestBody", {}).get("content", {}):
        parts = [("file", ("a.wav", b"RIFF\0\0\0\0WAVE"))]
        text = {name: str(value) for name, value in body.items() if name != "file"}
        return http.post(url, files=parts, data=text)
    content = json.dumps(body)
    if dice.random() < 0.1:
        content = content[: dice.randrange(len(content) + 1)]
    headers = {"Content-Type": "application/json"}
    return http.request(method, url, params=params, content=content, headers=headers)


def objection(answer: httpx.Response) -> str:
    """What is wrong with the answer; nothing when all is well."""
    sent = f"{answer.request.method} {answer.request.url}"
    if answer.status_code >= 500 and answer.status_code != 503:
        return f"{sent}: {answer.text}"
    if answer.status_code >= 400:
        problem = answer.json()
        if problem["status"] != answer.status_code or "\n" in problem["detail"]:
            return f"{sent}: {problem}"
    return ""


OPERATIONS = operations()
