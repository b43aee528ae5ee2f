"""What can be wrong with a recording that its owner can mend."""

__all__ = ["RecorderError"]


class RecorderError(Exception):
    """One line: what is wrong, where, what to do."""
