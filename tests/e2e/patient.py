"""`python tests/e2e/patient.py --data DATA serve` is `earmark serve` on a box that is patient.

Windows that are older than two seconds are given up, so that a box which cannot keep up hears the
newest, and a training is held while listening is late. What a busy test machine gives up or holds
is not asked here, but what the box itself drops; tests/live asks for the rest.
"""

from __future__ import annotations

import sys


def be_patient() -> None:
    """Before a daemon starts in this process."""
    from appliance.live import courtesy, detector

    detector.LATEST_S = 60.0
    courtesy.BEHIND_MS = 60_000.0


def main() -> None:
    be_patient()
    from appliance.cli import main as earmark

    sys.exit(earmark())


if __name__ == "__main__":
    main()
