"""Capture devices and their stable ids, from recorded trees (see trees/SOURCES.md)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from appliance.audio.devices import (
    Device,
    card_folders,
    find_device,
    list_cards,
    same_serial,
    user_of,
)
from appliance.audio.source import parse_source

TREES = Path(__file__).parent / "trees"


def copy_of(name: str, tmp_path: Path) -> Path:
    root = tmp_path / name
    shutil.copytree(TREES / name, root, symlinks=True)
    return root


def test_a_codec_with_three_capture_devices() -> None:
    devices = list_cards(TREES / "msi-x570s")
    assert [device.id for device in devices] == ["usb:1-2", "usb:1-2,1", "usb:1-2,2"]
    first, second, third = devices
    assert first == Device(
        id="usb:1-2",
        name="USB Audio",
        card=2,
        device=0,
        card_id="Audio",
        usb_path="1-2",
        serial=None,
        channels=2,
        rates=(44_100, 48_000, 96_000, 192_000),
        portaudio="(hw:2,0)",
    )
    assert second.name == "USB Audio: USB Audio #1"
    # What it plays at (384 kHz) is not what it records at.
    assert second.rates == first.rates
    assert (third.channels, third.rates) == (0, ())


def test_a_serial_becomes_part_of_the_id_and_usb_comes_first() -> None:
    devices = list_cards(TREES / "asus-usb-video")
    assert [device.id for device in devices] == [
        "usb:2-1.5.1:200901010001",
        "card:PCH",
        "card:PCH,2",
    ]
    assert devices[0].name == "USB Video device"
    assert devices[0].portaudio == "(hw:1,0)"
    assert devices[1].name == "HDA Intel PCH: ALC892 Analog"


def test_a_microphone_that_knows_one_rate_only() -> None:
    (device,) = list_cards(TREES / "raspberry-pi-respeaker")
    assert (device.id, device.rates, device.channels) == ("usb:1-1.1.2", (16_000,), 2)


def test_a_codec_on_a_board_is_named_by_its_card() -> None:
    (device,) = list_cards(TREES / "spacemit-k3")
    assert device.id == "card:sndes8326"
    assert device.name == "d4026800.i2s1-ES8326 HiFi ES8326 HiFi-0"
    assert (device.channels, device.rates, device.usb_path) == (0, (), None)


@pytest.mark.parametrize("tree", ["msi-x570s", "asus-usb-video", "raspberry-pi-respeaker"])
def test_the_id_survives_another_order_of_cards(tree: str, tmp_path: Path) -> None:
    root = copy_of(tree, tmp_path)
    before = list_cards(root)
    asound = root / "proc/asound"
    for number in sorted(
        (int(folder.name[4:]) for folder in asound.glob("card[0-9]")), reverse=True
    ):
        (asound / f"card{number}").rename(asound / f"card{number + 3}")
        link = root / f"sys/class/sound/card{number}"
        if link.is_symlink():
            link.rename(root / f"sys/class/sound/card{number + 3}")
    after = list_cards(root)
    assert [device.id for device in after] == [device.id for device in before]
    assert [device.card for device in after] == [(device.card or 0) + 3 for device in before]
    for old, new in zip(before, after, strict=True):
        assert find_device(old.id, after) == new
        assert new.portaudio == f"(hw:{new.card},{new.device})"


def test_who_holds_a_device_is_named(tmp_path: Path) -> None:
    root = copy_of("spacemit-k3", tmp_path)
    (device,) = list_cards(root)
    # The playback that is running is not a microphone in use.
    assert device.used_by == ""
    running = (root / "proc/asound/card0/pcm0p/sub0/status").read_text()
    (root / "proc/asound/card0/pcm0c/sub0/status").write_text(running)
    (root / "proc/3767").mkdir()
    (root / "proc/3767/comm").write_text("arecord\n")
    assert user_of(device, root) == "arecord (pid 3767)"
    assert list_cards(root)[0].used_by == "arecord (pid 3767)"


def test_the_same_serial_on_another_port_is_a_hint_and_not_the_microphone() -> None:
    devices = list_cards(TREES / "asus-usb-video")
    moved = "usb:1-4:200901010001"
    assert find_device(moved, devices) is None
    assert [device.id for device in same_serial(moved, devices)] == ["usb:2-1.5.1:200901010001"]
    assert same_serial("usb:1-4", devices) == []
    assert same_serial("card:PCH", devices) == []


def test_a_card_that_comes_or_goes_is_noticed(tmp_path: Path) -> None:
    root = copy_of("asus-usb-video", tmp_path)
    before = card_folders(root)
    shutil.rmtree(root / "proc/asound/card1")
    assert card_folders(root) != before
    assert [device.id for device in list_cards(root)] == ["card:PCH", "card:PCH,2"]


def test_a_computer_without_sound_has_no_devices(tmp_path: Path) -> None:
    assert list_cards(tmp_path) == []
    assert card_folders(tmp_path) == frozenset()


def test_every_id_is_a_valid_source() -> None:
    for tree in TREES.iterdir():
        if tree.is_dir():
            for device in list_cards(tree):
                spec = parse_source(device.id)
                assert (spec.kind, spec.target) == ("device", device.id)
