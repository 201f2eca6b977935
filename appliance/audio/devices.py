"""Which microphones are plugged in, under names that survive a reboot.

The kernel's own lists (/proc/asound and /sys) are read rather than PortAudio's, which leaves out
devices that are busy and never notices a plug. Card numbers change from boot to boot; an id here
is made of the USB path and serial, or of the card's ALSA id:

    usb:1-2.3:SERIAL      a USB microphone (without a serial: usb:1-2.3)
    card:PCH              any other card
    ...,1                 its second PCM device

Every function takes the system's root, so that recorded trees can stand in for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
# The steps of a continuous range that are worth asking for.
COMMON_RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000)
_PCM_FOLDER = re.compile(r"pcm(\d+)c")
_USB_PATH = re.compile(r"\d+-\d+(?:\.\d+)*")


@dataclass(frozen=True)
class Device:
    """A capture device. channels is 0 and rates is empty where the kernel does not say (it does
    for USB only). used_by names the program that holds it now, if one does."""

    id: str
    name: str
    card: int | None
    device: int | None
    card_id: str
    usb_path: str | None
    serial: str | None
    channels: int
    rates: tuple[int, ...]
    portaudio: str
    used_by: str = ""


def list_cards(root: Path = ROOT) -> list[Device]:
    """Capture devices of the kernel, USB first (a Jetson lists twenty internal ones), then by card
    and device. Never raises for what is gone."""
    devices = []
    for folder in (root / "proc/asound").glob("card[0-9]*"):
        number = folder.name.removeprefix("card")
        if number.isdigit() and folder.is_dir():
            devices += _card_devices(root, folder, int(number))
    return sorted(
        devices, key=lambda device: (not device.usb_path, device.card or 0, device.device or 0)
    )


def card_folders(root: Path = ROOT) -> frozenset[str]:
    """What changes when a sound card is plugged in or out; cheap enough to look every second."""
    return frozenset(folder.name for folder in (root / "proc/asound").glob("card*"))


def find_device(identifier: str, devices: Iterable[Device]) -> Device | None:
    """The device with that id. One with the same serial on another port is not it: cheap
    microphones of one make share a "serial", and a wrong one must not be heard in its place."""
    return next((device for device in devices if device.id == identifier), None)


def same_serial(identifier: str, devices: Iterable[Device]) -> list[Device]:
    """Devices that carry the serial of the id on another port, to give as a hint."""
    _, _, serial = identifier.partition(",")[0].removeprefix("usb:").partition(":")
    return [device for device in devices if serial and device.serial == serial]


def user_of(device: Device, root: Path = ROOT) -> str:
    """The program that has the device open: "arecord (pid 812)", or nothing."""
    pcm = root / f"proc/asound/card{device.card}/pcm{device.device}c"
    for status in sorted(pcm.glob("sub*/status")):
        if match := re.search(r"owner_pid\s*:\s*(\d+)", _text(status)):
            pid = match[1]
            program = _text(root / "proc" / pid / "comm").strip() or "a program"
            return f"{program} (pid {pid})"
    return ""


def _card_devices(root: Path, folder: Path, card: int) -> list[Device]:
    card_id = _text(folder / "id").strip() or str(card)
    usb_path, serial = _usb(root, card)
    base = f"card:{card_id}"
    if usb_path:
        base = f"usb:{usb_path}:{serial}" if serial else f"usb:{usb_path}"
    devices = []
    for pcm in folder.glob("pcm*c"):
        match = _PCM_FOLDER.fullmatch(pcm.name)
        if match is None:
            continue
        number = int(match[1])
        channels, rates = _stream(folder / f"stream{number}")
        facts = Device(
            id=base if number == 0 else f"{base},{number}",
            name=_name(folder, card, pcm),
            card=card,
            device=number,
            card_id=card_id,
            usb_path=usb_path,
            serial=serial,
            channels=channels,
            rates=rates,
            portaudio=f"(hw:{card},{number})",
        )
        devices.append(_with_user(facts, root))
    return devices


def _with_user(device: Device, root: Path) -> Device:
    return Device(**{**device.__dict__, "used_by": user_of(device, root)})


def _name(folder: Path, card: int, pcm: Path) -> str:
    """The card's name from /proc/asound/cards, and the PCM's where it says something else."""
    card_name = ""
    pattern = re.compile(rf"^\s*{card}\s+\[.*?\]:\s*.*? - (.*)$", re.MULTILINE)
    if match := pattern.search(_text(folder.parent / "cards")):
        card_name = match[1].strip()
    pcm_name = ""
    if match := re.search(r"^name: (.+)$", _text(pcm / "info"), re.MULTILINE):
        pcm_name = match[1].strip()
    if not card_name:
        return pcm_name or folder.name
    return card_name if pcm_name in ("", "USB Audio") else f"{card_name}: {pcm_name}"


def _usb(root: Path, card: int) -> tuple[str | None, str | None]:
    """USB path ("1-2.3") and serial of a card, None for what is not on USB."""
    try:
        place = (root / f"sys/class/sound/card{card}/device").resolve(strict=True)
    except OSError:
        return None, None
    # .../usb1/1-2/1-2.3/1-2.3:1.0: the interface; the folder above it is the device.
    for folder in (place, *place.parents):
        if _USB_PATH.fullmatch(folder.name) and (folder / "idVendor").exists():
            serial = re.sub(r"[^A-Za-z0-9._-]", "_", _text(folder / "serial").strip())
            return folder.name, serial or None
    return None, None


def _stream(file: Path) -> tuple[int, tuple[int, ...]]:
    """Most channels and all rates of the "Capture:" part of a USB card's stream file."""
    _, _, capture = _text(file).partition("Capture:")
    capture = capture.partition("Playback:")[0]
    channels = [int(value) for value in re.findall(r"^\s*Channels: (\d+)", capture, re.MULTILINE)]
    rates: set[int] = set()
    for line in re.findall(r"^\s*Rates: (.+)$", capture, re.MULTILINE):
        numbers = [int(value) for value in re.findall(r"\d+", line)]
        if "continuous" in line and len(numbers) == 2:
            rates.update(rate for rate in COMMON_RATES if numbers[0] <= rate <= numbers[1])
        else:
            rates.update(numbers)
    return max(channels, default=0), tuple(sorted(rates))


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
