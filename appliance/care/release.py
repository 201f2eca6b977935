"""Out of quarantine again: a sound that is whole goes back among the clips, with its row."""

from __future__ import annotations

from dataclasses import replace

from appliance.care import rebuild
from appliance.care.inspected import InspectedFile, Inspections
from appliance.care.quarantine import CORRUPT, ORPHAN, Item, Quarantine
from appliance.errors import Conflict, NotFound
from appliance.library.clips import Clips
from appliance.paths import DataFolder
from appliance.store.database import Database


def release(
    item: Item, quarantine: Quarantine, db: Database, clips: Clips, folder: DataFolder
) -> int:
    """Put a sound back; its clip's id: the one that had lost it, or a new one. Raises Conflict
    when it is damaged still, is there already, or is no sound."""
    [name] = item.files if len(item.files) == 1 else [""]
    if item.kind not in (ORPHAN, CORRUPT) or not name:
        raise Conflict(
            f"{item.id} is no sound, but a {item.kind}",
            f"stop the daemon, and move what lies in {folder.quarantine / item.id} by hand",
        )
    path = quarantine.path(item, name)
    try:
        seen = InspectedFile.read(path)
    except FileNotFoundError:
        raise NotFound(f"{path} is gone", "look at the list again") from None
    if seen.piece is None:
        raise Conflict(
            f"{name} is damaged still: {seen.problem}",
            f"listen to {path}; what can be decoded of it can be imported",
        )
    table = Inspections(db)
    with db.write():
        clip = table.clip(seen.piece.sha256)
        if clip is None and (same := table.sound(seen.piece.pcm_sha256)) is not None:
            raise Conflict(f"that sound is clip {same} already", "delete it from quarantine")
        [place] = quarantine.put_back(item)
        if clip is not None:
            clips.losses.found(clip)
            return clip
        facts = rebuild.known(folder).clips.get(seen.piece.sha256)
        made = rebuild.adopt(clips, replace(seen.piece, path=place), facts)
        assert made is not None
        return made.id
