"""The six screens. Each is imported when it is first shown, so that the first one is there soon."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.page import Page


@dataclass(frozen=True)
class Entry:
    """One screen: its name (also that of its mode), keys, title, and where its class is."""

    name: str
    keys: str
    title: str
    place: str

    @property
    def key_shown(self) -> str:
        return self.keys.split(",")[0].upper()

    def make(self) -> Page:
        module, _, attribute = self.place.partition(":")
        page: Page = getattr(import_module(module), attribute)()
        return page


PAGES = (
    Entry("listen", "f1,alt+1", "Listen", "tui.pages.listen:ListenPage"),
    Entry("record", "f2,alt+2", "Record", "tui.pages.record:RecordPage"),
    Entry("label", "f3,alt+3", "Label", "tui.pages.label:LabelPage"),
    Entry("train", "f4,alt+4", "Train", "tui.pages.train:TrainPage"),
    Entry("versions", "f5,alt+5", "Versions", "tui.pages.versions:VersionsPage"),
    Entry("device", "f6,alt+6", "Device", "tui.pages.device:DevicePage"),
)
