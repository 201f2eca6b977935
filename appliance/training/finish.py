"""The end of a run: what was learned becomes the files of a version."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import Any

import torch

from appliance.library.enough_background import BACKGROUND, background_warnings
from appliance.library.plan import Plan
from appliance.training import result
from appliance.training.context import Context
from appliance.training.evaluate import evaluation, fit_temperature
from appliance.training.export import compare, deployed_network, write_onnx
from appliance.training.familiarity import Familiarity, fit_scale
from appliance.training.judge import Judge, hop_samples, reference_windows
from appliance.training.network import Backbone, DeployedNetwork, parameter_count
from appliance.training.state import Reached
from appliance.training.unknown import unknown_figures, why_unknown
from appliance.training.usual import usual_microphones

log = logging.getLogger(__name__)

# The certificate's figures are shares of so many windows: 1 of 160 is 0.6 %.
REFERENCE_WINDOWS, CALIBRATION_WINDOWS = 160, 48
REFERENCE_BYTES = 32 << 20
# Comparing, writing and publishing, once the clips are judged.
EXPORT_S = 3.0
# Without held-out clips, so many training clips give a hint.
HINT_CLIPS = 100


def finish(
    context: Context,
    plan: Plan,
    reached: Reached,
    judge_: Judge,
    stopped: str,
    allowance_s: float,
    speed: float | None,
) -> None:
    """Judge what is still to be judged, export, and publish `result/`.

    allowance_s: seconds that judging may take now; what it does not reach is not counted.
    """
    assert reached.version is not None
    backbone = Backbone(len(context.manifest.classes), context.widths)
    backbone.load_state_dict(reached.version)
    backbone.to(context.device.torch_device)
    hint = _judge_the_rest(context, reached, judge_, backbone, allowance_s)
    context.progress.write("exporting", EXPORT_S)
    classes, shape = context.manifest.classes, context.shape
    temperature = 1.0 if hint else fit_temperature(reached.judged, classes)
    scale = None if hint else fit_scale(reached.judged)
    familiarity = None
    if scale is not None and reached.examples is not None:
        familiarity = Familiarity(reached.examples.float(), scale)
    network = deployed_network(backbone, shape, temperature, familiarity)
    temporary = result.begin(context.folder)
    write_onnx(network, temporary / "model.onnx")
    shown = context.phases[0].held_out or context.phases[0].train
    most = max(24, min(REFERENCE_WINDOWS, REFERENCE_BYTES // (4 * shape.window_samples)))
    windows, labels = reference_windows(context, shown, most)
    calibration, _ = reference_windows(context, context.phases[0].train, CALIBRATION_WINDOWS)
    probabilities, difference = compare(temporary / "model.onnx", network, windows)
    result.save_reference(windows, probabilities, labels, calibration, temporary / "reference.npz")
    result.save_weights(backbone, classes, temporary / "model.safetensors")
    figures = evaluation(
        reached.judged,
        context.manifest.clips,
        classes,
        protocol=context.manifest.protocol,
        on_training_clips=hint,
        curves=reached.curves,
        scale=None if familiarity is None else scale,
    )
    figures["unknown"] = unknown_figures(
        reached.strange, classes, temperature, context.phases[-1].strangers
    )
    figures["unknown_missing"] = (
        None if figures["unknown"] else why_unknown(classes, plan, len(reached.strange))
    )
    figures["warnings"] = background_warnings(
        [clip.duration_s for clip in context.manifest.clips if clip.label == BACKGROUND],
        len({clip.session for clip in context.manifest.clips if clip.label == BACKGROUND}),
    )
    result.save_json(figures, temporary / "evaluation.json")
    card = _card(
        context,
        plan,
        network,
        temperature=temperature,
        familiar_middle=scale.middle if familiarity is not None and scale else None,
        familiar_width=scale.width if familiarity is not None and scale else None,
        windows_per_second=speed,
        onnx_difference=difference,
    )
    result.save_json(card, temporary / "card.json")
    result.publish(temporary, context.folder, stopped, active_s=context.budget.elapsed_s)
    context.progress.write(
        "exporting", 0.0, accuracy=figures["accuracy"], accuracy_on="held-out", done=True
    )
    log.info("accuracy %.3f on %d clips", figures["accuracy"], figures["clips"])


def _judge_the_rest(
    context: Context, reached: Reached, judge_: Judge, backbone: Backbone, allowance_s: float
) -> bool:
    """Judge the held-out clips of a holdout; without any, training clips. True for the latter."""
    if reached.judged:
        return False
    held_out = context.phases[0].held_out
    until = context.budget.elapsed_s + allowance_s
    trained = context.phases[0].train
    clips = held_out or trained[:: max(1, len(trained) // HINT_CLIPS)]

    def on_clip(done: int) -> None:
        if context.progress.due():
            left = EXPORT_S + judge_.expected_s(clips[done:])
            context.progress.write("evaluating", left, step=done, steps=len(clips))

    reached.judged = judge_.judge(backbone, clips, until, on_clip, reached.examples)
    return not held_out


def _card(
    context: Context, plan: Plan, network: DeployedNetwork, **measured: float | None
) -> dict[str, Any]:
    """The content of card.json: what the model is and how it was trained."""
    manifest, shape, recipe = context.manifest, context.shape, context.recipe(plan)
    initial = manifest.initial_weights
    return {
        "format": 1,
        "classes": list(manifest.classes),
        "sample_rate": shape.rate,
        "window_samples": shape.window_samples,
        "hop_samples": hop_samples(shape),
        "parameters": parameter_count(network),
        "architecture": f"log-mel, residual CNN of widths {recipe.widths}, mean and max over time",
        "front_end": asdict(shape),
        "microphones": usual_microphones(context),
        "train": {
            **asdict(recipe),
            **asdict(plan),
            **measured,
            "seed": manifest.seed,
            "threads": manifest.threads,
            "device": context.device.name,
            "precision": str(context.device.precision or torch.float32).removeprefix("torch."),
            "budget_s": manifest.budget_s,
            "active_s": round(context.budget.elapsed_s, 2),
            "paused_s": round(context.budget.paused_s, 2),
            "clips": len(context.phases[0].train),
            "sound_s": round(context.sound_s, 2),
            "initial_weights": None if initial is None else initial.parent.name,
        },
        "torch": torch.__version__,
        "created": time.time(),
    }
