"""Take the examples of the API's answers from a box that runs and holds something of everything.

    python scripts/api_examples.py DATA_FOLDER [OLD=NEW]...

Each GET that has a schema is asked, with what the box holds in its paths, and so are a few
requests that change little (the box should be one for trying out). Long lists and texts are
shortened, OLD in texts becomes NEW (paths of this computer). What the box does not hold keeps the
example that there is; `tests/api/test_openapi.py` holds all of them against their schemas.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from appliance.api.app import build
from appliance.api.openapi import EXAMPLES, examples
from appliance.client import Client, ClientError, quoted

LONGEST_LIST, LONGEST_TEXT = 2, 120
FEW = {"/api/v1/clips/{id}/outline": {"columns": 8, "rows": 8}}


def gathered(client: Client, document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(name of a schema, answer) as far as the box can give them."""
    for path, methods in document["paths"].items():
        if not path.startswith("/api/v1") or "get" not in methods:
            continue
        if not (kind := schema(methods["get"])):
            continue
        for filled in paths(client, path):
            try:
                yield kind, client.get(filled.removeprefix("/api/v1"), **FEW.get(path, {}))
            except ClientError as error:
                sys.stderr.write(f"{filled}: {error}\n")
    clip = fullest(client.get("/clips")["items"])
    posts: dict[str, Any] = {
        "/clips/known": {"sha256": [clip["sha256"]]},
        "/clips/label": {"clips": [clip["id"]], "label": clip["label"]},
        "/clips/keep": {"clips": [clip["id"]], "keep": True},
        f"/clips/{clip['id']}/link": None,
        "/settings/reload": None,
        "/notices/read": None,
    }
    for path, body in posts.items():
        template = path.replace(str(clip["id"]), "{id}")
        operation = document["paths"][f"/api/v1{template}"]["post"]
        yield schema(operation), client.post(path, body)


def schema(operation: dict[str, Any]) -> str:
    for status, response in operation["responses"].items():
        content = response.get("content", {}).get("application/json")
        if status.startswith("2") and content:
            return str(content["schema"].get("$ref", "").rpartition("/")[2])
    return ""


def paths(client: Client, path: str) -> list[str]:
    """`path` with the newest thing of its kind; none when there is no such thing."""
    if "{" not in path:
        return [path]
    above = path.partition("/{")[0].removeprefix("/api/v1")
    items = client.get(above).get("items", [])
    name = "name" if "{name}" in path else "id"
    place = "{name}" if "{name}" in path else "{id:path}" if "{id:path}" in path else "{id}"
    return [path.replace(place, quoted(str(fullest(items)[name])))] if items else []


def fullest(items: list[dict[str, Any]]) -> dict[str, Any]:
    """The first one of which most is known."""
    return min(items, key=lambda item: sum(value is None or value == [] for value in item.values()))


def short(value: Any, renamed: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {short(key, renamed): short(inner, renamed) for key, inner in value.items()}
    if isinstance(value, list):
        return [short(inner, renamed) for inner in value[:LONGEST_LIST]]
    if isinstance(value, str):
        for old, new in renamed.items():
            value = value.replace(old, new)
        return value if len(value) <= LONGEST_TEXT else value[: LONGEST_TEXT - 1] + "…"
    return value


def main() -> None:
    renamed = dict(pair.split("=", 1) for pair in sys.argv[2:])
    found = dict(examples())
    with Client.find(data=Path(sys.argv[1])) as client:
        for kind, given in gathered(client, build(None).openapi()):
            if kind.startswith("Page_"):
                kind, items = kind.removeprefix("Page_").removesuffix("_"), given["items"]
                if items:
                    found[kind] = short(fullest(items), renamed)
            else:
                found[kind] = short(given, renamed)
    rows = (
        f"{json.dumps(kind)}: {json.dumps(found[kind], ensure_ascii=False)}"
        for kind in sorted(found)
    )
    EXAMPLES.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
