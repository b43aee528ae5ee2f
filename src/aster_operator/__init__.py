"""Aster Operator: trade, record, research and simulate perpetual futures on the Aster DEX."""

__all__ = ["__version__"]


def __getattr__(name: str) -> str:
    # Reading the package's metadata takes longer than everything else here; few ask for it.
    if name == "__version__":
        from importlib.metadata import version

        return version("aster-operator")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
