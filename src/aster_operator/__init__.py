"""Aster Operator: trade, record, research and simulate perpetual futures on the Aster DEX."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("aster-operator")
