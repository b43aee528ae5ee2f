"""Tests that take minutes, and only when somebody asks for them; campaigns that go deeper then."""

import os

import pytest

__all__ = ["SLOW_TESTS_VARIABLE", "deeper", "slow"]

SLOW_TESTS_VARIABLE = "SLOW_TESTS"

_asked = os.environ.get(SLOW_TESTS_VARIABLE) == "1"

slow = pytest.mark.skipif(
    not _asked,
    reason=f"takes minutes and the package registries: {SLOW_TESTS_VARIABLE}=1 runs it",
)
"""Mark of a test that runs with `make test-slow` only."""


def deeper(usual: int, thorough: int) -> int:
    """How many cases a campaign tries: `usual`, or `thorough` with `make test-slow`."""
    return thorough if _asked else usual
