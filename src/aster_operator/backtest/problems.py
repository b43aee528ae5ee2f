"""What can be wrong with the lab's input: one line that names the file, the row, the column or the key."""

from aster_operator.config.problems import UserProblem

__all__ = ["BacktestProblem"]


class BacktestProblem(UserProblem):
    """Inputs, grid or output folder that cannot be used."""
