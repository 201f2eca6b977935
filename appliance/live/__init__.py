"""Listening: windows, decision, detector, detections."""
