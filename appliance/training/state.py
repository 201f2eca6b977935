"""What a run has reached, to and from a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from appliance.training.checkpoint import Checkpoint
from appliance.training.evaluate import Judgement
from appliance.training.loop import TrainState
from appliance.training.manifest import Manifest
from appliance.training.network import Backbone

# Of a judgement, where there were no examples to compare with.
MAY_BE_MISSING = ("density", "in_rooms")


@dataclass
class Reached:
    """`phase` is under way; `version` holds the averaged weights once its phase is over."""

    phase: int = 0
    started_s: float = 0.0
    version: dict[str, Tensor] | None = None
    examples: Tensor | None = None  # of the version, for familiarity
    judged: list[Judgement] = field(default_factory=list)
    strange: list[Judgement] = field(default_factory=list)  # by a network that was not taught all
    curves: list[dict[str, Any]] = field(default_factory=list)
    time_was_up: bool = False
    step_s: float | None = None  # seconds a step, for the time left


def to_checkpoint(reached: Reached, training: TrainState | None) -> Checkpoint:
    """Everything needed to continue; tensors are copies on the CPU."""
    tensors: dict[str, Tensor] = {}
    state: dict[str, Any] = {
        "phase": reached.phase,
        "started_s": reached.started_s,
        "curves": reached.curves,
        "time_was_up": reached.time_was_up,
        "step_s": reached.step_s,
        "judged": [item.clip.id for item in reached.judged],
        "strange": [item.clip.id for item in reached.strange],
        "step": None if training is None else training.step,
    }
    for part, items in (("judged", reached.judged), ("strange", reached.strange)):
        for item in items:
            tensors[f"{part}/{item.clip.id}/logits"] = torch.from_numpy(item.logits)
            tensors[f"{part}/{item.clip.id}/weights"] = torch.from_numpy(item.weights)
            for name in MAY_BE_MISSING:
                if (found := getattr(item, name)) is not None:
                    tensors[f"{part}/{item.clip.id}/{name}"] = torch.from_numpy(found)
    if reached.examples is not None:
        tensors["examples"] = reached.examples
    if reached.version is not None:
        tensors.update({f"version/{k}": t for k, t in reached.version.items()})
    if training is not None:
        for part, network in (("network", training.network), ("average", training.average)):
            tensors.update({f"{part}/{k}": t for k, t in network.state_dict().items()})
        for index, entry in training.optimizer.state_dict()["state"].items():
            tensors.update({f"optimizer/{index}/{k}": t for k, t in entry.items()})
    on_cpu = {name: t.detach().to("cpu").contiguous() for name, t in tensors.items()}
    return Checkpoint(on_cpu, state)


def reached_of(checkpoint: Checkpoint, manifest: Manifest) -> Reached:
    """The run's state. Clips are found by id."""
    return Reached(
        phase=int(checkpoint.state["phase"]),
        started_s=float(checkpoint.state["started_s"]),
        version=_part(checkpoint, "version") or None,
        examples=checkpoint.tensors.get("examples"),
        judged=_judgements(checkpoint, manifest, "judged"),
        strange=_judgements(checkpoint, manifest, "strange"),
        curves=list(checkpoint.state["curves"]),
        time_was_up=bool(checkpoint.state["time_was_up"]),
        step_s=checkpoint.state.get("step_s"),
    )


def _judgements(checkpoint: Checkpoint, manifest: Manifest, part: str) -> list[Judgement]:
    clips = {clip.id: clip for clip in manifest.clips}
    found = []
    for number in checkpoint.state.get(part, []):
        near = {
            name: np.asarray(checkpoint.tensors[key].numpy())
            for name in MAY_BE_MISSING
            if (key := f"{part}/{number}/{name}") in checkpoint.tensors
        }
        found.append(
            Judgement(
                clips[number],
                np.asarray(checkpoint.tensors[f"{part}/{number}/logits"].numpy()),
                np.asarray(checkpoint.tensors[f"{part}/{number}/weights"].numpy()),
                **near,
            )
        )
    return found


def has_training(checkpoint: Checkpoint) -> bool:
    """Whether it was written inside a phase, not between two."""
    return checkpoint.state["step"] is not None


def average_of(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The averaged weights of the phase under way."""
    return _part(checkpoint, "average")


def restore_training(checkpoint: Checkpoint, training: TrainState) -> None:
    """Put weights, averages and the optimizer's moments back, in place."""
    _copy(training.network, _part(checkpoint, "network"))
    _copy(training.average, _part(checkpoint, "average"))
    parameters = [p for group in training.optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _part(checkpoint, "optimizer").items():
        index, key = name.split("/")
        entry = state.setdefault(int(index), {})
        if tensor.ndim:
            entry[key] = torch.empty_like(parameters[int(index)]).copy_(tensor)
        else:
            entry[key] = tensor
    groups = training.optimizer.state_dict()["param_groups"]
    training.optimizer.load_state_dict({"state": state, "param_groups": groups})
    training.step = int(checkpoint.state["step"])


def _copy(network: Backbone, tensors: dict[str, Tensor]) -> None:
    network.load_state_dict(tensors)


def _part(checkpoint: Checkpoint, part: str) -> dict[str, Tensor]:
    prefix = part + "/"
    return {
        name[len(prefix) :]: tensor
        for name, tensor in checkpoint.tensors.items()
        if name.startswith(prefix)
    }
