"""Write the table of routes in docs/api.md from the API itself. Run: python scripts/api_doc.py"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance.api.app import build

PAGE = Path(__file__).resolve().parent.parent / "docs" / "api.md"
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
            row += f"| {_first(operation['description'])} |"
            subjects.setdefault(operation["tags"][0], []).append(row)
    parts = []
    for subject, rows in subjects.items():
        head = "| request | takes | does |\n|---|---|---|\n"
        parts.append(f"### {subject.capitalize()}\n\n{head}" + "\n".join(rows) + "\n")
    return "\n".join(parts)


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
