"""The two themes. Colour is never the only sign: each state also has its own word or mark."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="earmark-dark",
    primary="#5fafd7",
    secondary="#5f87af",
    accent="#ffaf5f",
    warning="#ffaf5f",
    error="#ff5f5f",
    success="#87d787",
    foreground="#d0d0d0",
    background="#121212",
    surface="#1c1c1c",
    panel="#262626",
    dark=True,
)
LIGHT = Theme(
    name="earmark-light",
    primary="#005f87",
    secondary="#005faf",
    accent="#af5f00",
    warning="#af5f00",
    error="#af0000",
    success="#005f00",
    foreground="#262626",
    background="#f5f5f0",
    surface="#ffffff",
    panel="#e4e4dc",
    dark=False,
)
NAMES = {"dark": DARK.name, "light": LIGHT.name}
