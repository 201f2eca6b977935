"""Earmark: a box that learns to recognise your sounds."""

import os

__version__ = "0.1.0"

# ONNX Runtime reports its use to its maker, from its import on, unless this stands in the
# environment before. Here, so that it holds for every process of ours, children included.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
