"""Problems with the books that a person can mend."""

from aster_operator.config.problems import UserProblem

__all__ = ["DatabaseProblem"]


class DatabaseProblem(UserProblem):
    """The books cannot be opened, read or written. `where` is the database without its password."""
