"""What the Label screen does with the sound of a clip: hear it, cut it, delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.errors import EarmarkError
from tui.dialogs.choose import Choose
from tui.dialogs.confirm import Confirm
from tui.pages.label_links import LinkBox
from tui.widgets.clip_rows import ClipRows
from tui.widgets.clip_sound import ClipSound

if TYPE_CHECKING:
    from tui.pages.label import LabelPage

NO_LABEL = "(no label)"


async def play(page: LabelPage) -> None:
    """On the box's own speaker: the marked stretch, or all of it."""
    sound = page.query_one(ClipSound)
    if clip := sound.clip:
        stretch = sound.stretch
        body = None if stretch is None else {"start_s": stretch[0], "end_s": stretch[1]}
        await page.box.post(f"/clips/{clip.id}/play", body)
        page.notify(f"The box plays clip {clip.id}; o lets you hear it here.", timeout=2)


async def hear_here(page: LabelPage) -> None:
    """By a link, in a browser of the person's own."""
    if clip := page.query_one(ClipRows).clip:
        link = await page.box.post(f"/clips/{clip.id}/link")
        await page.ask(LinkBox(clip.id, link))


async def cut_stretch(page: LabelPage) -> None:
    """The marked stretch becomes a clip of its own."""
    sound = page.query_one(ClipSound)
    clip = sound.clip
    if clip is None or sound.stretch is None:
        page.notify("Mark a stretch first: [ where it begins, ] where it ends.", timeout=4)
        return
    first, last = sound.stretch
    title = f"{first:.2f} to {last:.2f} s of clip {clip.id}: which label?"
    choices = [*page.labels, NO_LABEL]
    chosen = await page.app.push_screen_wait(Choose(title, choices, new="New label"))
    if chosen is not None:
        label = None if chosen == NO_LABEL else chosen
        body = {"start_s": first, "end_s": last, "label": label}
        made = await page.box.post(f"/clips/{clip.id}/cut", body)
        page.notify(f"Clip {made['id']}, {made['duration_s']:.2f} s.", timeout=4)


async def delete_clips(page: LabelPage) -> None:
    """The marked clips, or the one under the cursor, for ever."""
    rows = page.query_one(ClipRows)
    clips = rows.meant() if page.steady_clips() else []
    if not clips:
        return
    what = f"clip {clips[0].id}" if len(clips) == 1 else f"{len(clips)} clips"
    detail = "Their sound goes for ever. A clip that a dataset version holds stays."
    if await page.app.push_screen_wait(Confirm(f"Delete {what}?", detail, yes="Delete")):
        # At once: the next key is for the next clip.
        rows.drop({clip.id for clip in clips})
        rows.settle()
        page.describe()
        try:
            for clip in clips:
                await page.box.delete(f"/clips/{clip.id}")
        except EarmarkError:
            page.reload()  # those that stay
            raise
