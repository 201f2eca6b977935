"""The keys of the Label screen, and what `?` says about it."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from tui.digits import DIGITS

HELP = (
    "The inbox holds the clips without a label, those first that would teach the box most, "
    "each with what the box would say (Enter accepts it). A digit gives its label and goes on "
    "to the next clip. Space marks several, v a range, and the next key is for all of them. "
    "Nothing waits for the line: labels are shown at once and sent behind. / finds clips: "
    "words of the file's name, label:kettle, mic:yard, session:17, source:trigger, since:2d, "
    "unlabelled. Move the marker under the picture with left and right; [ and ] mark a "
    "stretch: p plays it, and x cuts it out as a clip of its own."
)
KEYS: list[BindingType] = [
    *[
        Binding(digit, f"digit('{digit}')", f"Label {digit}", show=False, tooltip="its label")
        for digit in DIGITS
    ],
    Binding("enter", "accept", "Accept", tooltip="the suggested label"),
    Binding("l", "choose", "Label…", tooltip="find a label by typing, or make one"),
    Binding("0", "digit('')", "No label", show=False, tooltip="take the label away"),
    Binding("space", "mark", "Mark"),
    Binding("v", "mark_range", "Range", show=False, tooltip="mark up to here"),
    Binding("u", "undo", "Undo"),
    Binding("r", "redo", "Redo", show=False),
    Binding("n", "next", "Next unlabelled", show=False),
    Binding("p", "play", "Play", tooltip="on the box's speaker; a marked stretch alone"),
    Binding("o", "link", "Hear here", tooltip="a link for your own browser, for 5 minutes"),
    Binding("slash", "find", "Find", key_display="/"),
    Binding("i", "inbox", "Inbox/all"),
    Binding("left", "point(-1)", "Marker left", show=False),
    Binding("right", "point(1)", "Marker right", show=False),
    Binding("shift+left", "point(-8)", "Marker far left", show=False),
    Binding("shift+right", "point(8)", "Marker far right", show=False),
    Binding("left_square_bracket", "begin", "Stretch begins", show=False, key_display="["),
    Binding("right_square_bracket", "end", "Stretch ends", show=False, key_display="]"),
    Binding("x", "cut", "Cut", show=False, tooltip="the stretch becomes a clip of its own"),
    Binding("m", "digits", "Digits", show=False, tooltip="which digit gives which label"),
    Binding("g", "names", "Labels", show=False, tooltip="create, rename, merge, delete"),
    Binding("delete", "delete", "Delete", show=False, tooltip="the marked clips, for ever"),
    Binding(
        "escape",
        "back",
        "Back",
        show=False,
        tooltip="from a filter, marks, chosen clips",
    ),
]
