"""The recorded trees of boards hold links that lead back into them: no place to look for tests."""

from __future__ import annotations

collect_ignore = ["trees"]
