"""Files that the library has already: their labels, which an earlier import may not have given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from appliance.cli.import_folder import Refused

if TYPE_CHECKING:
    from appliance.cli.import_upload import Outcome
    from appliance.client import Client


def settle_known(client: Client, known: Sequence[Outcome]) -> int:
    """Give the clips of known files their label where they have none; where they have another,
    say so in the outcome. Returns how many clips were labelled."""
    from appliance.client import ClientError

    wanted = {i: outcome for outcome in known if outcome.entry.label for i in outcome.clips}
    if not wanted:
        return 0
    bare: dict[str, list[int]] = {}
    for clip in _clips(client, set(wanted)):
        outcome = wanted[clip["id"]]
        label = outcome.entry.label or ""
        if clip["label"] is None:
            bare.setdefault(label, []).append(clip["id"])
        elif clip["label"] != label:
            outcome.kept = Refused(
                outcome.entry.name,
                f"is clip {clip['id']}, labelled {clip['label']!r}: it keeps that label",
                f"`earmark label {label!r} {clip['id']}` changes it",
            )
    changed = 0
    for label, ids in bare.items():
        try:
            client.post("/labels", {"name": label})
        except ClientError as error:
            if error.status != 409:  # 409: it exists
                raise
        changed += client.post("/clips/label", {"clips": ids, "label": label})["changed"]
    return changed


def _clips(client: Client, ids: set[int]) -> Iterator[dict[str, Any]]:
    """Those clips, a few one by one and many from the pages of the whole list."""
    if len(ids) <= 20:
        for identifier in sorted(ids):
            yield client.get(f"/clips/{identifier}")
        return
    left = set(ids)
    for clip in client.pages("/clips", limit=500):
        if clip["id"] in left:
            left.discard(clip["id"])
            yield clip
        if not left:
            return
