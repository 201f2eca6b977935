"""Where the weights start: at random, or from a version."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from appliance.errors import TrainingError
from appliance.training.features import FrontEnd
from appliance.training.network import Backbone
from appliance.training.recipe import Recipe

log = logging.getLogger(__name__)


def new_backbone(classes: int, recipe: Recipe, seed: int) -> Backbone:
    """Random weights, the same for the same seed."""
    torch.manual_seed(seed)
    return Backbone(classes, recipe.widths)


def load_version(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """The weights and class names of a version's model.safetensors."""
    try:
        with safe_open(path, framework="pt") as file:
            classes = json.loads((file.metadata() or {}).get("classes", "[]"))
            return {name: file.get_tensor(name) for name in file.keys()}, classes  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        raise TrainingError(
            "crashed",
            f"the version to continue from cannot be read: {path}: {error}",
            "train without --from, or from another version",
        ) from error


def widths_of(weights: dict[str, Tensor]) -> tuple[int, ...] | None:
    """The widths of the network that these weights belong to, None when it is not one of ours."""
    try:
        widths = [weights["stem.conv.weight"].shape[0]]
        while (name := f"blocks.{len(widths) - 1}.first.conv.weight") in weights:
            widths.append(weights[name].shape[0])
    except (KeyError, IndexError):
        return None
    return tuple(int(width) for width in widths)


def front_end_of(path: Path, wanted: FrontEnd) -> FrontEnd:
    """The features of the version whose weights are at `path`, as its card tells; else `wanted`."""
    try:
        card = json.loads(path.with_name("card.json").read_text(encoding="utf-8"))
        shape = FrontEnd(**card["front_end"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("no features known for %s (%s): chosen from the clips", path, error)
        return wanted
    return shape if shape.rate == wanted.rate else wanted


def continue_from(
    backbone: Backbone, weights: dict[str, Tensor], known: Sequence[str], classes: Sequence[str]
) -> int:
    """Copy every tensor that fits, and the head's rows of classes with the same name.

    Returns how many tensors were taken over.
    """
    own = backbone.state_dict()
    taken = 0
    for name, tensor in weights.items():
        if not name.startswith("head.") and name in own and own[name].shape == tensor.shape:
            own[name].copy_(tensor)
            taken += 1
    for name in ("head.weight", "head.bias"):
        source = weights.get(name)
        if source is None or source.shape[1:] != own[name].shape[1:]:
            continue
        for row, label in enumerate(classes):
            if label in known and known.index(label) < source.shape[0]:
                own[name][row].copy_(source[known.index(label)])
        taken += 1
    log.info("%d of %d tensors taken over", taken, len(own))
    return taken
