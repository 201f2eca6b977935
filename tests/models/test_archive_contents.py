"""What lies in an archive of a version is not trusted: networks, weights, figures, notes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from appliance.errors import InvalidInput
from appliance.models.archive import import_version
from appliance.models.versions import Versions
from tests.models import toy
from tests.models.archives import Entries, refused, sealed, write


def network(change: Callable[[onnx.ModelProto], None]) -> bytes:
    made = toy.model()
    change(made)
    return bytes(made.SerializeToString())


def with_external_data(made: onnx.ModelProto) -> None:
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def with_external_data_in_a_constant(made: onnx.ModelProto) -> None:
    hidden = numpy_helper.from_array(np.zeros(1, np.float32), "hidden")
    with_external = TensorProto()
    with_external.CopyFrom(hidden)
    with_external.ClearField("raw_data")
    with_external.data_location = TensorProto.EXTERNAL
    with_external.external_data.add(key="location", value="../../earmark.db")
    made.graph.node.append(helper.make_node("Constant", [], ["hidden"], value=with_external))


def with_a_custom_domain(made: onnx.ModelProto) -> None:
    made.opset_import.append(helper.make_opsetid("com.evil", 1))
    made.graph.node.append(helper.make_node("Run", ["logits"], ["evil"], domain="com.evil"))


def with_a_loop(made: onnx.ModelProto) -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["logits"], ["kept"])],
        "inner",
        [],
        [helper.make_tensor_value_info("kept", TensorProto.FLOAT, None)],
    )
    condition = numpy_helper.from_array(np.array(True), "yes")
    made.graph.initializer.append(condition)
    made.graph.node.append(
        helper.make_node("If", ["yes"], ["looped"], then_branch=inner, else_branch=inner)
    )


def with_another_operator(made: onnx.ModelProto) -> None:
    made.graph.node.append(helper.make_node("NonZero", ["logits"], ["evil"]))


def with_nan(made: onnx.ModelProto) -> None:
    bias = np.full(3, np.nan, np.float32)
    for tensor in made.graph.initializer:
        if tensor.name == "bias":
            tensor.CopyFrom(numpy_helper.from_array(bias, "bias"))


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: network(with_external_data), "external|another file|not valid"),
        (lambda: network(with_external_data_in_a_constant), "external|another file|not valid"),
        (lambda: network(with_a_custom_domain), "com.evil"),
        (lambda: network(with_a_loop), "If"),
        (lambda: network(with_another_operator), "NonZero"),
        (lambda: network(with_nan), "no probabilities"),
        (lambda: toy.model(operator="Exp").SerializeToString(), "no probabilities"),
        (lambda: toy.model(classes=4).SerializeToString(), "the card says"),
        (lambda: toy.model(window=3_000).SerializeToString(), "the card says"),
        (lambda: toy.model(gain=2.5).SerializeToString(), "not say what was trained"),
        (lambda: b"\x08\x09" + b"\xff" * 400, "not valid"),
        (lambda: b"", "not valid"),
    ],
)
def test_a_network_that_is_not_safe_or_not_itself(
    exported: Path,
    entries: Entries,
    versions: Versions,
    untouched: Callable[[], None],
    made: Callable[[], bytes],
    why: str,
) -> None:
    write(exported, sealed(entries, model_onnx=made()))
    refused(exported, versions, untouched, InvalidInput, why)


@pytest.mark.parametrize(
    ("replaced", "why"),
    [
        ({"model_safetensors": b"\xff" * 64}, "safetensors"),
        ({"model_safetensors": b"\x02\0\0\0\0\0\0\0{}"}, "safetensors is empty"),
        ({"reference_npz": b"no"}, "refused"),
        ({"card_json": json.dumps(toy.card(classes=["a", "b"])).encode()}, "the card says"),
        ({"card_json": b"{}"}, "card.json"),
        ({"evaluation_json": b"{}"}, "evaluation.json"),
        ({"lineage_json": b"[]"}, "lineage.json"),
    ],
)
def test_other_files_that_are_not_themselves(
    exported: Path,
    entries: Entries,
    versions: Versions,
    untouched: Callable[[], None],
    replaced: Entries,
    why: str,
) -> None:
    write(exported, sealed(entries, **replaced))
    refused(exported, versions, untouched, InvalidInput, why)


def test_a_reference_that_would_fill_the_memory(
    exported: Path,
    entries: Entries,
    versions: Versions,
    untouched: Callable[[], None],
    tmp_path: Path,
) -> None:
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("probabilities.npy", b"\0" * 100)
        with archive.open("windows.npy", "w", force_zip64=True) as file:
            for _ in range(140):
                file.write(b"\0" * (1 << 20))
    write(exported, sealed(entries, reference_npz=bomb.read_bytes()))
    refused(exported, versions, untouched, InvalidInput, "unpacks to")


def test_notes_and_figures_of_an_archive_are_not_trusted(
    exported: Path, entries: Entries, versions: Versions
) -> None:
    manifest = {
        **json.loads(entries["manifest.json"]),
        "note": "n" * 10_000,
        "seconds": "many",
        "stopped": "<b>",
        "version": {"a": 1},
    }
    write(exported, {**entries, "manifest.json": json.dumps(manifest).encode()})
    made = import_version(versions, exported)
    assert (len(made.note), made.seconds, made.stopped) == (2_000, 0.0, "converged")
