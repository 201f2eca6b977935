"""Engines on disk: only those that this device made, unaltered, for what it is now."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from appliance.errors import EngineError
from appliance.models.cuda import Gpu
from appliance.models.engine_cache import KEPT, KEY_FILE, EngineCache, StaleEngine
from appliance.models.target import Target, cpu_target, engine_key, l4t_release, this_device

NAME = "ab" * 32
JETSON = Target("tensorrt", "10.3.0", "Orin", "8.7", "36.4.0")


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    made = EngineCache(tmp_path / "engines")
    made.put(NAME, b"an engine", {"certificate": {"agreement": 1.0}})
    return made


def test_what_was_put_in_comes_out(cache: EngineCache) -> None:
    for opened in (cache, EngineCache(cache.folder)):
        stored = opened.get(NAME)
        assert stored is not None
        assert stored.content == b"an engine"
        assert stored.facts == {"certificate": {"agreement": 1.0}}
    assert cache.get("cd" * 32) is None


def test_nobody_else_may_read_or_write_there(cache: EngineCache) -> None:
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    for file in cache.folder.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", ["engine", "certificate", "swapped", "facts", "link", "key"])
def test_what_was_altered_is_refused_and_gone(cache: EngineCache, damage: str) -> None:
    engine, facts = cache.path(NAME), cache.folder / f"{NAME}.json"
    name = NAME
    if damage == "engine":
        engine.write_bytes(b"an Engine")
    elif damage == "certificate":
        raw = json.loads(facts.read_text())
        raw["facts"]["certificate"]["agreement"] = 0.9
        facts.write_text(json.dumps(raw))
    elif damage == "swapped":  # the engine of another version, rightly signed
        name = "ef" * 32
        engine.rename(cache.path(name))
        facts.rename(cache.folder / f"{name}.json")
    elif damage == "facts":
        facts.write_text("{}")
    elif damage == "link":
        other = cache.folder / "elsewhere"
        engine.rename(other)
        engine.symlink_to(other)
    else:
        (cache.folder / KEY_FILE).chmod(0o644)  # whoever read it could sign
        cache = EngineCache(cache.folder)
    with pytest.raises(StaleEngine, match="not used"):
        cache.get(name)
    assert cache.get(name) is None
    assert not cache.path(name).exists()


def test_half_an_engine_is_none(cache: EngineCache) -> None:
    """A power cut between the two files, and one in the middle of a file."""
    (cache.folder / f"{NAME}.json").unlink()
    (cache.folder / f"{NAME}.json.new").write_text("{")
    again = EngineCache(cache.folder)
    assert again.get(NAME) is None
    assert sorted(file.name for file in again.folder.iterdir()) == [KEY_FILE]


def test_old_engines_go(cache: EngineCache) -> None:
    for number in range(KEPT + 3):
        cache.put(f"{number:064x}", b"x", {})
    left = list(cache.folder.glob("*.engine"))
    assert len(left) == len(list(cache.folder.glob("*.json"))) == KEPT
    assert cache.path(f"{KEPT + 2:064x}") in left


def test_the_key_of_an_engine_follows_everything_that_it_depends_on() -> None:
    key = engine_key(JETSON, "fp16", "00" * 32, 16_000)
    assert key.fingerprint == engine_key(JETSON, "fp16", "00" * 32, 16_000).fingerprint
    others = {
        key.fingerprint,
        engine_key(JETSON, "fp32", "00" * 32, 16_000).fingerprint,
        engine_key(JETSON, "fp16", "01" * 32, 16_000).fingerprint,
        engine_key(JETSON, "fp16", "00" * 32, 16_001).fingerprint,
        *(
            engine_key(
                Target(**{**JETSON.__dict__, name: "other"}), "fp16", "00" * 32, 16_000
            ).fingerprint
            for name in ("runtime", "library_version", "gpu", "compute_capability", "l4t")
        ),
    }
    assert len(others) == 9
    upgraded = Target("tensorrt", "10.16.0", "Orin", "8.7", "39.2.0")
    assert engine_key(upgraded, "fp16", "00" * 32, 16_000).changes(key.__dict__) == [
        "its release 10.3.0 -> 10.16.0",
        "L4T 36.4.0 -> 39.2.0",
    ]


def test_which_runtime_this_device_gets(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    orin = Gpu("Orin", "8.7", 8 << 30)
    desktop = Gpu("NVIDIA GeForce RTX 4090", "8.9", 24 << 30)
    jetson = tmp_path / "jetson"
    (jetson / "etc").mkdir(parents=True)
    (jetson / "etc/nv_tegra_release").write_text(
        "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, "
        "DATE: Wed Jan  8 01:49:37 UTC 2025\n"
    )
    assert l4t_release(jetson) == "36.4.3"
    assert l4t_release(tmp_path) == ""

    def choose(root: Path, gpu: Gpu | None, *names: str) -> Target:
        return this_device(root, lambda: gpu, lambda name: name in names)

    rtx = choose(tmp_path, desktop, "tensorrt_rtx")
    assert (rtx.runtime, rtx.compute_capability) == ("tensorrt_rtx", "8.9")
    assert rtx.library_version.startswith("1.")
    assert choose(tmp_path, None, "tensorrt", "tensorrt_rtx") == cpu_target()
    assert choose(tmp_path, desktop) == cpu_target()
    # Installed, but unusable: here, since the real `tensorrt` is not there.
    assert choose(tmp_path, desktop, "tensorrt", "tensorrt_rtx").runtime == "tensorrt_rtx"
    on_jetson = choose(jetson, orin, "tensorrt", "tensorrt_rtx")
    assert (on_jetson.runtime, on_jetson.l4t) == ("onnxruntime", "36.4.3")


def test_this_box_without_a_gpu() -> None:
    target = this_device()
    if target.gpu:
        pytest.skip("there is a GPU")
    assert target.runtime == "onnxruntime"


def test_altered_engines_are_engine_errors() -> None:
    assert issubclass(StaleEngine, EngineError)
