"""Check: could the settings be read at the next start? A mistake in them would keep it from one."""

from __future__ import annotations

from pathlib import Path

from appliance import settings_reading
from appliance.care.check import Check
from appliance.errors import InvalidInput

NAME = "settings"


def check(file: Path) -> Check:
    """Of `file` (earmark.toml) and the environment of this process."""
    try:
        settings_reading.load(file)
    except InvalidInput as error:
        return Check(NAME, "failing", f"{error.message}.", error.advice)
    except OSError as error:
        advice = "run this as the user who owns the data folder, or with sudo"
        return Check(NAME, "failing", f"They cannot be read: {error.strerror}.", advice)
    return Check(NAME, "ok", "They can be read.")
