"""Archives of versions for tests: packed as a stranger might, refused with nothing left over."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import EarmarkError
from appliance.models.archive import import_version
from appliance.models.versions import Versions

Entries = dict[str, bytes]
"""Name of a file of the archive -> its content."""


def sealed(entries: Entries, **replaced: bytes) -> Entries:
    """`entries` with some files replaced and a manifest that lists them rightly."""
    names = {name.replace(".", "_"): name for name in entries}
    made = {**entries, **{names[key]: content for key, content in replaced.items()}}
    manifest = json.loads(made["manifest.json"])
    for name, content in made.items():
        if name != "manifest.json":
            digest = hashlib.sha256(content).hexdigest()
            manifest["files"][name] = {"size": len(content), "sha256": digest}
    return {**made, "manifest.json": json.dumps(manifest).encode()}


def write(file: Path, entries: Entries, **attributes: dict[str, Any]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.get(name.replace(".", "_"), {}).items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return file


def refused(
    file: Path,
    versions: Versions,
    untouched: Callable[[], None],
    error: type[EarmarkError],
    why: str,
) -> None:
    with pytest.raises(error, match=why):
        import_version(versions, file)
    untouched()
