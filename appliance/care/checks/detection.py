"""Check: does the deployed version run, and does it keep up with the microphones?"""

from __future__ import annotations

from appliance.care.check import Check
from appliance.models.deploy import Deployment

NAME = "detection"
MISSED_SHARE = 0.01


def check(
    deployment: Deployment | None, heard: int, missed: int, lagging: bool, hung: bool
) -> Check:
    """heard, missed: windows since the start. hung: its loop does not turn."""
    if hung:
        return Check(
            NAME,
            "failing",
            "The loop of detection does not turn any more.",
            "restart the daemon (`systemctl restart earmark`) and keep a support bundle",
        )
    if deployment is None:
        return Check(
            NAME,
            "not applicable",
            "No version is deployed.",
            "`earmark versions` lists those there are, `earmark deploy VERSION` lets one listen",
        )
    if deployment.problem:
        return Check(
            NAME,
            "failing",
            f"{deployment.version} does not run: {deployment.problem}.",
            "`earmark rollback`, or `earmark deploy` another version",
        )
    if lagging or missed > MISSED_SHARE * max(heard + missed, 100):
        return Check(
            NAME,
            "warning",
            f"{deployment.version} misses windows: {missed} of {heard + missed} since the start.",
            "listen with fewer microphones, deploy with --precision fp16, or end what else runs",
        )
    if deployment.notice:
        return Check(
            NAME,
            "warning",
            f"{deployment.version} runs, with a makeshift: {deployment.notice}.",
            f"`earmark deploy {deployment.version}` builds its engine again",
        )
    return Check(NAME, "ok", f"{deployment.version} listens ({deployment.engine}).")
