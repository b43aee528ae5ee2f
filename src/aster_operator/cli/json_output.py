"""JSON on standard output for other people's tools: numbers as numbers, one object, nothing else."""

import sys
from typing import Any

from aster_operator.monitoring.json_text import json_bytes

__all__ = ["print_json"]


def print_json(value: Any) -> None:
    """Write one object as one line; decimals become JSON numbers with all their digits and no exponent."""
    sys.stdout.write(json_bytes(value).decode() + "\n")
    sys.stdout.flush()
