"""The bearer token of the TCP listener: made once, kept in the data folder, read by its owner."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from appliance.errors import InvalidInput


def read_or_make_token(path: Path) -> str:
    """The bearer token of the TCP listener: 256 bits, readable by the owner alone."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        token = path.read_text().strip()
        if len(token) < 16:
            raise InvalidInput(
                f"the token in {path} is empty or too short",
                "delete the file; a new token is made at the next start",
            ) from None
        path.chmod(0o600)
        return token
    with os.fdopen(descriptor, "w") as file:
        token = secrets.token_urlsafe(32)
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    return token
