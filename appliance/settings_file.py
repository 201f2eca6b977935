"""The file of the settings, as people keep it: where each value comes from, and changing one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable

from appliance import settings_reading
from appliance.errors import InvalidInput, Unavailable
from appliance.paths import fsync_file, fsync_folder

DEFAULT, FILE, ENVIRONMENT = "default", "file", "environment"


def sources(file: Path, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Where each setting's value comes from: "default", "file" or "environment", which wins."""
    environment = os.environ if environment is None else environment
    document = _document(file)
    found = {}
    for row in settings_reading.describe():
        section, _, key = row.name.partition(".")
        table = document.get(section)
        inside = isinstance(table, Mapping) and key in table
        found[row.name] = (
            ENVIRONMENT if row.environment in environment else FILE if inside else DEFAULT
        )
    return found


def put(file: Path, name: str, text: str | None) -> Any:
    """Write the setting `name` into `file`, which keeps its comments and its order; None takes it
    out. The whole file is checked first, and appears at once or not at all.

    Returns the value. Raises InvalidInput for a name or value that does not fit, or when the rest
    of the file does not; Unavailable when it may not be written.
    """
    value = None if text is None else settings_reading.parse(name, text)
    if text is None:
        settings_reading.known(name)
    document = _document(file)
    section, _, key = name.partition(".")
    table = document.get(section)
    if text is None:
        if isinstance(table, AbstractTable) and key in table:
            table.remove(key)
    elif isinstance(table, AbstractTable) or hasattr(table, "update"):
        document[section][key] = _plain(value)
    else:
        made = tomlkit.table()
        made[key] = _plain(value)
        document[section] = made
    _replace(file, tomlkit.dumps(document))
    return value


def _document(file: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(file.read_text())
    except FileNotFoundError:
        return tomlkit.document()
    except PermissionError:
        raise Unavailable(f"{file} may not be read", _AS_OWNER) from None
    except (TOMLKitError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: {error}", "mend the TOML file") from None


def _replace(file: Path, text: str) -> None:
    new = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        new.write_text(text)
        settings_reading.load(new, {})
        owner = (file if file.exists() else file.parent).stat()
        new.chmod(owner.st_mode & 0o666 if file.exists() else 0o600)
        # Written by root, it must stay readable to the daemon, which is not.
        if os.geteuid() == 0:
            os.chown(new, owner.st_uid, owner.st_gid)
        fsync_file(new)
        new.replace(file)
        fsync_folder(file.parent)
    except InvalidInput as error:
        raise InvalidInput(error.message.replace(str(new), str(file)), error.advice) from None
    except PermissionError:
        raise Unavailable(f"{file} may not be written", _AS_OWNER) from None
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


_AS_OWNER = "run this as the user who owns the data folder, or with sudo"
