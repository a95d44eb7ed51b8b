"""Sizes that the controls share."""

MOST_REPLICAS = 16  # on the slider; the line of Python knows no such limit
SHORT = {"width": "9em"}
WIDE = {"width": "16em"}
