"""Reading settings: one TOML file (`earmark.toml` in the data folder) and the environment over it.

A field `http.port` of `settings.py` is set by

    [http]
    port = 8710

or by `EARMARK_HTTP_PORT=8710`. An unknown key is an error that names the nearest one.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, NoReturn

from appliance.errors import InvalidInput
from appliance.hours import spans
from appliance.settings import Settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class SettingHelp:
    """One row of `docs/settings.md`."""

    name: str
    default: Any
    help: str
    low: float | None
    high: float | None

    def told(self, value: Any, source: str, *, waits: bool = False) -> dict[str, Any]:
        """The row as clients get it. waits: for a restart of the daemon."""
        return {
            "name": self.name,
            "value": value,
            "source": source,
            "waits": waits,
            "default": self.default,
            "help": self.help,
            "low": self.low,
            "high": self.high,
            "environment": self.environment,
        }

    @property
    def environment(self) -> str:
        return _variable(self.name)


def _variable(name: str) -> str:
    return "EARMARK_" + name.upper().replace(".", "_")


# Other variables of ours, such as EARMARK_DATA, are no settings.
_SECTIONS = tuple(_variable(f"{group.name}.") for group in fields(Settings))


_MOVED = {"history.min_free_mb": "space.low_mb", "hooks.disk_low_mb": "space.low_mb"}


def describe() -> list[SettingHelp]:
    """Every setting with its default and help."""
    rows = []
    default = Settings()
    for section in fields(Settings):
        group = getattr(default, section.name)
        for item in fields(group):
            meta = item.metadata
            rows.append(
                SettingHelp(
                    f"{section.name}.{item.name}",
                    getattr(group, item.name),
                    meta["help"],
                    meta["low"],
                    meta["high"],
                )
            )
    return rows


def load(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `file` (if it exists), then from the environment.

    Raises InvalidInput naming the key, what is wrong with it and the nearest known key.
    """
    given: dict[str, tuple[Any, str]] = {}
    if file is not None and file.exists():
        try:
            content = tomllib.loads(file.read_text())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{file}: {error}", "mend the TOML file") from None
        sections = {group.name for group in fields(Settings)}
        for section, values in content.items():
            if not isinstance(values, dict) or (not values and section not in sections):
                _unknown(section, str(file))
            for key, value in values.items():
                given[f"{section}.{key}"] = (value, str(file))
    known = {row.environment: row for row in describe()}
    for name, text in (os.environ if environment is None else environment).items():
        if name in known:
            given[known[name].name] = (_from_text(known[name], text), name)
        elif name.startswith(_SECTIONS):
            _unknown_variable(name, known)
    return _build(given)


def known(name: str) -> SettingHelp:
    """The setting of that name. Raises InvalidInput that names the nearest one."""
    for row in describe():
        if row.name == name:
            return row
    return _unknown(name, "settings")


def parse(name: str, text: str) -> Any:
    """The value that `text` means for the setting `name`, as in its environment variable. Raises
    InvalidInput when there is no such setting, or it cannot be that."""
    row = known(name)
    return _checked(row, _from_text(row, text), "settings")


def value_of(settings: Settings, name: str) -> Any:
    """Of the setting `name`, such as `http.port`."""
    section, key = name.split(".")
    return getattr(getattr(settings, section), key)


def with_value(settings: Settings, name: str, value: Any) -> Settings:
    """A copy with that one value, which is already checked."""
    section, key = name.split(".")
    return replace(settings, **{section: replace(getattr(settings, section), **{key: value})})


def changed(settings: Settings, section: str, values: Mapping[str, Any], origin: str) -> Any:
    """The group `section` of `settings` with `values` over it, checked as if they stood in the
    file: what a microphone's own settings are. Raises InvalidInput."""
    rows = {row.name: row for row in describe()}
    group = getattr(settings, section)
    for key, value in values.items():
        name = f"{section}.{key}"
        if name not in rows:
            _unknown(name, origin)
        group = replace(group, **{key: _checked(rows[name], value, origin)})
    return group


def _build(given: Mapping[str, tuple[Any, str]]) -> Settings:
    rows = {row.name: row for row in describe()}
    settings = Settings()
    for name, (value, origin) in given.items():
        if name not in rows:
            _unknown(name, origin)
        section, key = name.split(".")
        group = replace(getattr(settings, section), **{key: _checked(rows[name], value, origin)})
        settings = replace(settings, **{section: group})
    return settings


def _unknown(name: str, origin: str) -> NoReturn:
    if name in _MOVED:
        raise InvalidInput(f"{origin}: {name!r} is no setting any more", f"use {_MOVED[name]!r}")
    close = difflib.get_close_matches(name, [row.name for row in describe()], n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}?" if close else "see docs/settings.md for those that exist"
    raise InvalidInput(f"{origin}: unknown setting {name!r}", hint)


def _unknown_variable(name: str, known: Mapping[str, SettingHelp]) -> NoReturn:
    for old, new in _MOVED.items():
        if name == _variable(old):
            raise InvalidInput(f"{name} is no setting any more", f"use {_variable(new)}")
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else "see docs/settings.md for those that exist"
    raise InvalidInput(f"{name} is no setting", hint)


def _from_text(row: SettingHelp, text: str) -> Any:
    if isinstance(row.default, bool):
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        return words.get(text.lower(), text)
    if isinstance(row.default, tuple):
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(row.default, (int, float)):
        try:
            return type(row.default)(text)
        except ValueError:
            return text
    return text


_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple: "a list of texts",
}


def _checked(row: SettingHelp, value: Any, origin: str) -> Any:
    wanted = type(row.default)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if wanted is tuple and isinstance(value, list):
        value = tuple(str(part) for part in value)
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise InvalidInput(
            f"{origin}: {row.name} is {value!r}, which is not {_KINDS[wanted]}",
            f"{row.help}; the default is {row.default!r}",
        )
    if row.name == "privacy.quiet_hours":
        spans(value, f"{origin}: {row.name}")
    if row.low is not None and not row.low <= value <= (row.high or value):
        raise InvalidInput(
            f"{origin}: {row.name} is {value!r}, outside {row.low:g} to {row.high:g}", row.help
        )
    return value
