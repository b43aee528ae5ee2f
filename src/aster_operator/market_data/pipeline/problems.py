"""What can go wrong between a catalog and a store that its owner can mend."""

from aster_operator.config.problems import UserProblem

__all__ = ["PipelineProblem"]


class PipelineProblem(UserProblem):
    """The store cannot be reached, refuses, or holds something else than was sent."""
