"""A version as one file: there and back, and every hostile file refused with nothing left over."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from appliance.errors import InvalidInput, NotFound, TooLarge
from appliance.models.archive import export_version, import_version
from appliance.models.deploy import Deployments
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from tests.models import toy
from tests.models.archives import Entries, refused, write
from tests.models.conftest import Publish


def test_there_and_back(
    exported: Path, versions: Versions, deployments: Deployments, folder: DataFolder
) -> None:
    made = import_version(versions, exported)
    assert (made.name, made.source, made.note) == ("V002", "imported", "kitchen")
    assert (made.stopped, made.seconds, made.accuracy) == ("time limit", 61.0, 0.9)
    assert made.job is None
    for name in ("model.onnx", "model.safetensors", "reference.npz", "evaluation.json"):
        there, back = (versions.path(version) / name for version in ("V001", "V002"))
        assert there.read_bytes() == back.read_bytes()
    imported = versions.lineage("V002")["imported"]
    assert imported["version"] == "V001"
    assert imported["lineage"]["stopped"] == "time limit"
    assert deployments.deploy("V002").certificate["passed"]
    assert sorted(path.name for path in folder.versions.iterdir()) == ["V001", "V002"]


def unfamiliar(made: onnx.ModelProto) -> None:
    """Half of each answer, as a trained network gives it of a sound that is unlike its own."""
    made.graph.node[-1].output[0] = "softmax"
    made.graph.node.append(helper.make_node("Mul", ["softmax", "half"], ["probabilities"]))
    made.graph.initializer.append(numpy_helper.from_array(np.array(0.5, np.float32), "half"))


def test_a_version_that_knows_what_is_unfamiliar(
    publish: Publish, versions: Versions, folder: DataFolder, tmp_path: Path
) -> None:
    made = toy.model()
    unfamiliar(made)
    publish(toy.write_result(folder.jobs / "unfamiliar" / "result", made=made))
    export_version(versions, "V001", tmp_path / "exported")
    assert import_version(versions, tmp_path / "exported").name == "V002"


def test_the_same_version_gives_the_same_file(
    exported: Path, versions: Versions, tmp_path: Path
) -> None:
    export_version(versions, "V001", tmp_path / "again")
    assert exported.read_bytes() == (tmp_path / "again").read_bytes()


def test_what_is_not_there_is_not_exported(versions: Versions, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        export_version(versions, "V007", tmp_path / "x")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_archive(
    exported: Path, versions: Versions, untouched: Callable[[], None], content: bytes
) -> None:
    exported.write_bytes(content)
    refused(exported, versions, untouched, InvalidInput, "archive")


def test_a_truncated_archive(
    exported: Path, versions: Versions, untouched: Callable[[], None]
) -> None:
    content = exported.read_bytes()
    exported.write_bytes(content[: len(content) // 2])
    refused(exported, versions, untouched, InvalidInput, "not an archive")


def test_flipped_bytes(exported: Path, versions: Versions, untouched: Callable[[], None]) -> None:
    whole = exported.read_bytes()
    for position in range(50, len(whole) - 400, len(whole) // 25):
        content = bytearray(whole)
        content[position] ^= 0x40
        exported.write_bytes(content)
        refused(exported, versions, untouched, InvalidInput, "archive|version|manifest|JSON")


@pytest.mark.parametrize(
    "name",
    ["../../evil", "/evil", "..\\evil", "sub/model.onnx", "evil.py", "model.onnx/", "./model.onnx"],
)
def test_an_entry_with_a_foreign_name(
    exported: Path, entries: Entries, versions: Versions, untouched: Callable[[], None], name: str
) -> None:
    write(exported, {**entries, name: b"evil"})
    refused(exported, versions, untouched, InvalidInput, "foreign entry")


def test_an_entry_that_is_missing(
    exported: Path, entries: Entries, versions: Versions, untouched: Callable[[], None]
) -> None:
    for name in entries:
        write(exported, {key: value for key, value in entries.items() if key != name})
        refused(exported, versions, untouched, InvalidInput, f"lacks {name}")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_entry_twice(
    exported: Path, entries: Entries, versions: Versions, untouched: Callable[[], None]
) -> None:
    write(exported, entries)
    with zipfile.ZipFile(exported, "a") as archive:
        archive.writestr("model.onnx", entries["model.onnx"])
    refused(exported, versions, untouched, InvalidInput, "twice")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR])
def test_an_entry_that_is_no_regular_file(
    exported: Path, entries: Entries, versions: Versions, untouched: Callable[[], None], kind: int
) -> None:
    linked = {**entries, "card.json": b"/etc/passwd"}
    write(exported, linked, card_json={"external_attr": (kind | 0o777) << 16})
    refused(exported, versions, untouched, InvalidInput, "no regular file")


def test_a_bomb(
    exported: Path, entries: Entries, versions: Versions, untouched: Callable[[], None]
) -> None:
    write(exported, {**entries, "evaluation.json": b" " * (40 << 20)})
    refused(exported, versions, untouched, TooLarge, "100 times")


def test_an_entry_over_its_size(
    exported: Path, entries: Entries, versions: Versions, untouched: Callable[[], None]
) -> None:
    write(exported, {**entries, "card.json": b"{}" + b" " * (1 << 20)})
    refused(exported, versions, untouched, TooLarge, "card.json")


def test_an_entry_that_lies_about_its_size(
    exported: Path, entries: Entries, versions: Versions, untouched: Callable[[], None]
) -> None:
    """The directory announces fewer bytes than the stream holds."""
    write(exported, entries)
    size = len(entries["lineage.json"])
    content = exported.read_bytes()
    announced = size.to_bytes(4, "little")
    at = content.rindex(b"lineage.json") - 46 + 24  # uncompressed size in the central directory
    assert content[at : at + 4] == announced
    exported.write_bytes(content[:at] + (size - 9).to_bytes(4, "little") + content[at + 4 :])
    refused(exported, versions, untouched, InvalidInput, "archive")


def test_a_packing_that_nobody_uses(
    exported: Path, entries: Entries, versions: Versions, untouched: Callable[[], None]
) -> None:
    write(exported, entries, card_json={"compress_type": zipfile.ZIP_BZIP2})
    refused(exported, versions, untouched, InvalidInput, "unusual")


def test_an_encrypted_entry(
    exported: Path, entries: Entries, versions: Versions, untouched: Callable[[], None]
) -> None:
    write(exported, entries)
    content = bytearray(exported.read_bytes())
    for start, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = content.find(start)
        while position >= 0:
            content[position + offset] |= 1
            position = content.find(start, position + 4)
    exported.write_bytes(content)
    refused(exported, versions, untouched, InvalidInput, "archive")


@pytest.mark.parametrize("name", ["model.onnx", "model.safetensors", "card.json", "lineage.json"])
def test_an_entry_with_another_hash(
    exported: Path, entries: Entries, versions: Versions, untouched: Callable[[], None], name: str
) -> None:
    write(exported, {**entries, name: entries[name] + b" "})
    refused(exported, versions, untouched, InvalidInput, f"{name} in the archive is not what")


@pytest.mark.parametrize("manifest", [b"[]", b"{}", b'{"format": 2}', b"\xff", b"[" * 100_000])
def test_a_manifest_that_cannot_be_used(
    exported: Path,
    entries: Entries,
    versions: Versions,
    untouched: Callable[[], None],
    manifest: bytes,
) -> None:
    write(exported, {**entries, "manifest.json": manifest})
    refused(exported, versions, untouched, InvalidInput, "manifest|format|JSON")
