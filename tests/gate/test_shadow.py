"""A version beside the live one: on the same windows, silent, and what they disagree about kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile

from appliance.errors import Conflict, NotFound
from appliance.gate import shadow_keeper
from appliance.gate.shadow import Shadow
from appliance.gate.shadow_table import Shadows
from appliance.inbox.table import Inbox, InboxClip
from appliance.paths import DataFolder
from tests.live.conftest import Box, until
from tests.live.tones import HIGH_HZ, LOW_HZ, MID_HZ, scene

BOTH = {"low": LOW_HZ, "high": HIGH_HZ}
# It hears the middle tone where the live version hears the high one.
OTHER = {"low": LOW_HZ, "high": MID_HZ}


class ShadowBox(Box):
    def __init__(self, folder: DataFolder) -> None:
        super().__init__(folder)
        self.inbox = Inbox(self.db)
        self.shadow = Shadow(
            Shadows(self.db),
            self.versions,
            self.deployments,
            self.listener,
            self.detections,
            self.inbox,
            self.thresholds,
            self.settings,
            self.bus,
        )
        self.shadow.start()

    def close(self) -> None:
        self.shadow.stop()
        super().close()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenes here run at four times their speed, so what settles them may too."""
    monkeypatch.setattr(shadow_keeper, "SETTLE_S", 1.5)
    monkeypatch.setattr(shadow_keeper, "SAME_S", 0.4)


@pytest.fixture
def box(folder: DataFolder) -> Iterator[ShadowBox]:
    made = ShadowBox(folder)
    yield made
    made.close()


def play(box: ShadowBox, tmp_path: Path, sounds: list[tuple[float, float, float]]) -> None:
    soundfile.write(tmp_path / "scene.wav", scene(18, sounds), 16_000)
    box.replay(tmp_path / "scene.wav")


def test_disagreements_are_found_and_stand_at_the_head_of_the_inbox(
    box: ShadowBox, tmp_path: Path
) -> None:
    box.deploy(BOTH)
    begun = box.shadow.begin(box.version(OTHER), author="anna")
    assert (begun.version, begun.state, begun.live) == ("V002", "running", "V001")
    play(box, tmp_path, [(4.0, 0.5, LOW_HZ), (9.0, 0.5, HIGH_HZ), (14.0, 0.5, MID_HZ)])
    box.played()
    until(lambda: box.shadow.current().disagreements == 2, "both disagreements", 20)  # type: ignore[union-attr]
    until(lambda: box.shadow.current().both == 1, "the agreement")  # type: ignore[union-attr]
    assert [found.label for found in box.heard()] == ["low", "high"], "the shadow reports nothing"

    view = box.shadow.current()
    assert view is not None
    assert view.labels == [
        {"label": "high", "both": 0, "live_only": 1, "shadow_only": 1},
        {"label": "low", "both": 1, "live_only": 0, "shadow_only": 0},
    ]
    sounds, _ = box.shadow.disagreements(view.id, 10, None)
    by_side = {sound.live_label: sound for sound in sounds}
    missed, extra = by_side["high"], by_side[None]
    assert missed.shadow_label is None
    assert missed.clip == box.detections.get(missed.detection or 0).clip
    assert extra.shadow_label == "high"
    clip = box.clips.get(extra.clip or 0)
    assert (clip.source, clip.label, clip.extra["suggested"]) == ("shadow", None, "high")
    assert clip.duration_s == pytest.approx(5.0, abs=0.6)

    def marked() -> list[InboxClip]:
        return [item for item in box.inbox.page().items if item.flagged]

    until(lambda: len(marked()) == 2, "both in the inbox")
    flagged = marked()
    reasons = {item.id: item.reason for item in flagged}
    assert box.inbox.page().items[: len(flagged)] == flagged
    assert "would not have reported high" in reasons[missed.clip or 0]
    assert "V002 would have reported high" in reasons[extra.clip or 0]

    # The same windows: as many, and none missed, on either side.
    [hearing] = box.listener.hearing().values()
    assert abs(view.windows - hearing["windows"]) <= 2
    assert view.missed == hearing["missed"] == 0


def test_another_label_for_the_same_sound_is_one_disagreement(
    box: ShadowBox, tmp_path: Path
) -> None:
    box.deploy({"low": LOW_HZ})
    box.shadow.begin(box.version({"hum": LOW_HZ}))
    play(box, tmp_path, [(8.0, 0.5, LOW_HZ)])
    box.played()
    until(lambda: box.shadow.current().disagreements, "it", 20)  # type: ignore[union-attr]
    [sound], _ = box.shadow.disagreements(1, 10, None)
    assert (sound.live_label, sound.shadow_label) == ("low", "hum")
    assert sound.clip == box.heard()[0].clip
    assert "reported was low" in box.inbox.page().items[0].reason


def test_a_sound_that_it_meets_in_the_middle_is_no_disagreement(
    box: ShadowBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A slow machine must not make it pause: then it would judge nothing.
    monkeypatch.setattr(box.listener, "lagging", lambda: False)
    box.deploy(BOTH)
    name = box.version({"hum": LOW_HZ})
    box.deployments.prepare(name, "fp32").close()  # so that beginning takes no time
    soundfile.write(
        tmp_path / "scene.wav", scene(40, [(3.0, 25.0, LOW_HZ), (34.0, 3.0, LOW_HZ)]), 16_000
    )
    box.replay(tmp_path / "scene.wav")
    until(lambda: box.heard(), "the long sound")
    box.shadow.begin(name)
    [long] = box.heard()
    assert long.ended_at is None, "it sounds on"
    box.played()
    until(lambda: box.shadow.current().disagreements, "the second sound", 20)  # type: ignore[union-attr]
    sounds, _ = box.shadow.disagreements(1, 10, None)
    assert [(s.live_label, s.shadow_label) for s in sounds] == [("low", "hum")]
    assert sounds[0].detection == box.heard()[-1].id, "of the sound that both heard begin"


def test_it_goes_on_after_a_restart_and_ends_when_it_is_deployed(
    folder: DataFolder, tmp_path: Path
) -> None:
    box = ShadowBox(folder)
    try:
        box.deploy(BOTH)
        box.shadow.begin(box.version(OTHER), author="anna")
        play(box, tmp_path, [(5.0, 0.5, LOW_HZ)])
        until(lambda: box.shadow.current().windows > 10, "windows")  # type: ignore[union-attr]
    finally:
        box.close()
    again = ShadowBox(folder)
    try:
        kept = again.shadow.current()
        assert kept is not None
        assert kept.windows > 10
        assert kept.author == "anna"
        until(lambda: again.shadow.current().windows > kept.windows, "more windows")  # type: ignore[union-attr]
        with pytest.raises(Conflict, match="listens silently") as refused:
            again.versions.delete("V002")
        assert "earmark shadow end" in refused.value.advice
        again.deployments.deploy("V002")
        until(lambda: again.shadow.current() is None, "its end")
        assert again.shadow.history()[0].state == "promoted"
    finally:
        again.close()


def test_it_is_the_first_to_go_when_listening_is_late(
    box: ShadowBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.deploy(BOTH)
    box.shadow.begin(box.version(OTHER))
    play(box, tmp_path, [(14.0, 0.5, MID_HZ)])
    until(lambda: box.shadow.current().windows > 3, "windows")  # type: ignore[union-attr]
    monkeypatch.setattr(box.listener, "lagging", lambda: True)
    until(lambda: box.shadow.current().shed, "the pause")  # type: ignore[union-attr]
    before = box.shadow.current()
    box.played()
    after = box.shadow.current()
    assert before is not None
    assert after is not None
    assert after.windows <= before.windows + 1
    assert box.listener.windows()[1] == 0


def test_what_cannot_be_a_shadow(box: ShadowBox) -> None:
    with pytest.raises(NotFound):
        box.shadow.begin("V001")
    name = box.version(BOTH)
    with pytest.raises(Conflict, match="nothing listens"):
        box.shadow.begin(name)
    box.deployments.deploy(name)
    with pytest.raises(Conflict, match="listens already"):
        box.shadow.begin(name)
    box.shadow.begin(box.version(OTHER))
    with pytest.raises(Conflict, match="silently already"):
        box.shadow.begin(box.version(OTHER))
    assert box.shadow.end().state == "ended"
    with pytest.raises(NotFound):
        box.shadow.end()
