"""Tests that install packages or whole systems: minutes long, and only when somebody asks for them."""

import os

import pytest

__all__ = ["SLOW_TESTS_VARIABLE", "slow"]

SLOW_TESTS_VARIABLE = "SLOW_TESTS"

slow = pytest.mark.skipif(
    os.environ.get(SLOW_TESTS_VARIABLE) != "1",
    reason=f"takes minutes and the package registries: {SLOW_TESTS_VARIABLE}=1 runs it",
)
"""Mark of a test that runs with `make test-slow` only."""
