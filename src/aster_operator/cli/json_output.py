"""JSON on standard output for other people's tools: numbers as numbers, one object, nothing else."""

import sys
from typing import Any

import msgspec

__all__ = ["print_json"]


def print_json(value: Any) -> None:
    """Write one object as one line; decimals become JSON numbers with all their digits."""
    encoder = msgspec.json.Encoder(decimal_format="number")
    sys.stdout.write(encoder.encode(value).decode() + "\n")
    sys.stdout.flush()
