"""What can be wrong with data that are to be converted."""

__all__ = ["ConversionError"]


class ConversionError(Exception):
    """One line: which file, row and column, and what is wrong."""
