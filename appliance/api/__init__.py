"""The HTTP API. The only home of FastAPI."""

from __future__ import annotations

from appliance.api.app import create_app
from appliance.api.services import Services

__all__ = ["Services", "create_app"]
