"""Colours that colour-blind readers tell apart (Okabe and Ito 2008), on dark and on light ground."""

__all__ = ["BLUE", "COLOURS", "GREEN", "GREY", "ORANGE", "RED", "SCALE", "SKY"]

BLUE = "#0072b2"
SKY = "#56b4e9"
ORANGE = "#e69f00"
GREEN = "#009e73"
RED = "#d55e00"
GREY = "#8a8f98"
COLOURS = ("#3d8fd1", ORANGE, GREEN, "#cc79a7", SKY, RED, "#b8a800", GREY)
"""For configurations, the best first; the later ones repeat."""
SCALE = ((0.0, "#b35806"), (0.25, "#f1a340"), (0.5, "#f3f1ee"), (0.75, "#67a9cf"), (1.0, "#2166ac"))
"""Losing is orange, winning is blue, nothing is white."""
