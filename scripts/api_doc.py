"""Write the table of routes in docs/api.md, and docs/api-answers.md, from the API itself.

python scripts/api_doc.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from appliance.api.app import build
from appliance.api.openapi import examples

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"
ANSWERS = PAGE.with_name("api-answers.md")
WIDTH = 100
BEGIN, END = "<!-- routes: made by scripts/api_doc.py -->", "<!-- end of routes -->"


def page() -> str:
    """The whole page as Markdown: its own words, with the table as it must be now."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    """One table a subject, in the order of the routes."""
    subjects: dict[str, list[str]] = {}
    document = build(None).openapi()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            row = f"| `{method.upper()} {_shown(path)}` | {_takes(document, operation)} "
            row += f"| {_answers(operation)} | {_first(operation['description'])} |"
            subjects.setdefault(operation["tags"][0], []).append(row)
    parts = []
    for subject, rows in subjects.items():
        head = "| request | takes | answers | does |\n|---|---|---|---|\n"
        parts.append(f"### {subject.capitalize()}\n\n{head}" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def answers() -> str:
    """The whole page with an example of each kind of answer."""
    schemas = build(None).openapi()["components"]["schemas"]
    parts = [
        "# What the HTTP API answers\n\nMade by `scripts/api_doc.py`; the requests are in "
        "[api](api.md). Each is the answer of a box, with long lists cut to two items. "
        "A test holds each against its schema in `GET /api/v1/openapi.json`.\n"
    ]
    for kind, given in sorted(examples().items()):
        words = " ".join(schemas[kind].get("description", "").split())
        parts.append(
            f"## {kind}\n\n{words}\n\n```json\n{_json(given)}\n```\n".replace("\n\n\n\n", "\n\n")
        )
    return "\n".join(parts)


def _json(value: Any, indent: int = 0) -> str:
    """As one line where it fits, like a person would write it."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) + indent <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return flat
    space = " " * (indent + 2)
    if isinstance(value, dict):
        rows = [f"{space}{json.dumps(key)}: {_json(one, indent + 2)}" for key, one in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + " " * indent + "}"
    rows = [f"{space}{_json(one, indent + 2)}" for one in value]
    return "[\n" + ",\n".join(rows) + "\n" + " " * indent + "]"


def _answers(operation: dict[str, Any]) -> str:
    """The kind of its answer, with a link to an example; a page of them is `[Kind]`."""
    found = []
    for status, response in operation["responses"].items():
        if not status.startswith("2"):
            continue
        for media, content in response.get("content", {}).items():
            name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
            kind = name.removeprefix("Page_").removesuffix("_")
            if media != "application/json":
                found.append(media.partition(";")[0])
            elif kind:
                link = f"[{kind}](api-answers.md#{kind.lower()})"
                found.append(f"list of {link}" if kind != name else link)
    return " or ".join(dict.fromkeys(found))


def _shown(path: str) -> str:
    return path.removeprefix("/api/v1").replace(":path}", "}")


def _takes(document: dict[str, Any], operation: dict[str, Any]) -> str:
    """Names of what may be given; those that must be are bold."""
    names = []
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "query":
            names.append(_name(f"?{parameter['name']}", parameter.get("required", False)))
        elif parameter["in"] == "header":
            names.append(_name(parameter["name"], parameter.get("required", False)))
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        schema = next((one for one in schema.get("anyOf", []) if "$ref" in one), schema)
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        required = schema.get("required", [])
        names += [_name(name, name in required) for name in schema["properties"]]
    return " ".join(names)


def _name(name: str, required: bool) -> str:
    return f"**`{name}`**" if required else f"`{name}`"


def _first(text: str) -> str:
    """The first sentences, in one line of a table."""
    return " ".join(text.split("\n\n")[0].split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
    ANSWERS.write_text(answers())
