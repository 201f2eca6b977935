"""What the boards say of themselves, from recorded trees (see trees/SOURCES.md)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from firmware_hooks.board import gpu_load, read_board, read_memory
from firmware_hooks.power_mode import read_modes
from firmware_hooks.power_rails import Rail, read_rails, total_watts
from firmware_hooks.thermal import HeatGuard, Zone, hottest, read_zones, throttled

TREES = Path(__file__).parent / "trees"
ORIN = "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"


@pytest.mark.parametrize(
    ("tree", "model", "soc", "l4t", "jetpack"),
    [
        ("orin-nano-jp6", ORIN, "tegra234", "36.4.3", "6"),
        ("orin-nano-jp7", ORIN, "tegra234", "39.2.1", "7"),
        ("agx-thor", "NVIDIA Jetson AGX Thor Developer Kit", "tegra264", "38.4.0", "7"),
        ("pc", "unknown", "", None, None),
    ],
)
def test_what_board_it_is(
    tree: str, model: str, soc: str, l4t: str | None, jetpack: str | None
) -> None:
    board = read_board(TREES / tree)
    # Not a NUL of the device tree in them.
    assert (board.model, board.soc, board.l4t, board.jetpack) == (model, soc, l4t, jetpack)


def test_what_each_board_has_and_lacks() -> None:
    has = {tree.name: read_board(tree).capabilities for tree in TREES.iterdir() if tree.is_dir()}
    assert has["orin-nano-jp6"] == (
        "gpio", "power modes", "power rails", "temperatures", "gpu load", "nvidia gpu",
    )  # fmt: skip
    assert has["orin-nano-jp7"] == ("power modes", "temperatures", "gpu load")
    assert has["agx-thor"] == ("power modes", "power rails", "temperatures")
    assert has["pc"] == ("temperatures",)


def test_temperatures_are_known_by_type_and_a_zone_that_is_off_has_none() -> None:
    assert read_zones(TREES / "orin-nano-jp6") == [
        Zone("cpu", 51.187),
        Zone("gpu", 50.218),
        Zone("cv0", None),
    ]
    orin = read_zones(TREES / "orin-nano-jp7")
    assert [zone.name for zone in orin if zone.celsius is None] == ["cv0", "cv1", "cv2"]
    assert hottest(orin) == Zone("gpu", 46.843)
    thor = read_zones(TREES / "agx-thor")
    assert hottest(thor) == Zone("tj", 55.1, 114.5)
    assert Zone("gpu", None, 114.5) in thor
    # A PC's acpitz says little about its chip.
    assert hottest(read_zones(TREES / "pc")) == Zone("pch_skylake", 52.0)
    assert throttled(TREES / "agx-thor") == ["gpu"]
    assert throttled(TREES / "pc") == []


def test_a_zone_that_answers_eagain_has_no_value_and_stops_nobody(tmp_path: Path) -> None:
    root = tmp_path / "thor"
    shutil.copytree(TREES / "agx-thor", root)
    off = root / "sys/class/thermal/thermal_zone4/temp"
    os.mkfifo(off)
    # As long as somebody could write and does not, a read without waiting gives EAGAIN.
    writer = os.open(off, os.O_RDWR)
    try:
        with pytest.raises(BlockingIOError):
            os.read(os.open(off, os.O_RDONLY | os.O_NONBLOCK), 10)
        assert read_zones(root) == read_zones(TREES / "agx-thor")
    finally:
        os.close(writer)


def test_rails_are_the_labelled_channels_and_the_input_is_the_total() -> None:
    orin = read_rails(TREES / "orin-nano-jp6")
    assert [(rail.name, round(rail.watts or 0, 3)) for rail in orin] == [
        ("VDD_IN", 4.785),
        ("VDD_CPU_GPU_CV", 0.597),
        ("VDD_SOC", 1.513),
    ]
    assert total_watts(orin) == orin[0].watts
    thor = read_rails(TREES / "agx-thor")
    assert [rail.name for rail in thor] == ["VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0", "VIN"]
    assert total_watts(thor) == pytest.approx(16.056)
    assert total_watts(thor[:3]) == pytest.approx(12.040 * 1.6 + 5.088 * 1.74)
    assert read_rails(TREES / "orin-nano-jp7") == []
    assert total_watts([]) is None
    assert total_watts([Rail("VDD_GPU", None)]) is None


def test_a_channel_that_is_switched_off_or_not_connected(tmp_path: Path) -> None:
    root = tmp_path / "orin"
    shutil.copytree(TREES / "orin-nano-jp6", root, symlinks=True)
    chip = root / "sys/class/hwmon/hwmon1"
    (chip / "curr3_input").unlink()
    (chip / "in2_label").write_text("NC\n")
    assert [rail.name for rail in read_rails(root)] == ["VDD_IN", "VDD_SOC"]
    assert read_rails(root)[1].watts is None


def test_power_modes_by_name_and_the_strongest() -> None:
    orin = read_modes(TREES / "orin-nano-jp6")
    assert (orin.current, orin.strongest) == (orin.named("MAXN_SUPER"), orin.named("2"))
    assert orin.named("maxn_super") == orin.all[2]
    assert orin.named("no such") is None
    seven = read_modes(TREES / "orin-nano-jp7")
    assert seven.current is not None
    assert (seven.current.id, seven.current.name) == (1, "25W")
    thor = read_modes(TREES / "agx-thor")
    assert thor.strongest is not None
    assert (thor.strongest.id, thor.strongest.name) == (0, "MAXN")
    none = read_modes(TREES / "pc")
    assert (none.current, none.all, none.strongest) == (None, (), None)


def test_the_gpu_and_memory() -> None:
    assert gpu_load(TREES / "orin-nano-jp6") == 0.5
    assert gpu_load(TREES / "orin-nano-jp7") == 0.0
    assert gpu_load(TREES / "agx-thor") is None, "its node has no load"
    memory = read_memory(TREES / "orin-nano-jp6")
    assert memory is not None
    assert (memory.total, memory.available) == (7802712 * 1024, 6940680 * 1024)
    assert read_memory(TREES / "pc") is None


def test_an_empty_root_and_this_very_computer_are_no_errors(tmp_path: Path) -> None:
    empty = read_board(tmp_path)
    assert (empty.model, empty.capabilities) == ("unknown", ())
    assert read_zones(tmp_path) == []
    here = read_board(Path("/"))
    assert here.model
    read_zones(Path("/"))
    assert read_memory(Path("/")) is not None


def test_heat_pauses_above_one_limit_and_resumes_below_another() -> None:
    guard = HeatGuard(pause_at=85, resume_at=75)
    seen = [guard.push(celsius) for celsius in (60, 84.9, 85, 80, None, 75.1, 75, 84.9)]
    assert seen == [False, False, True, True, True, True, False, False]
    with pytest.raises(ValueError, match="below"):
        HeatGuard(80, 80)
