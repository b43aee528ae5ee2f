"""What a person can mend about profiles and typed-in totals. The text of each is one line."""

__all__ = ["ProfileError", "RewardsError", "TooFewEpochs"]


class RewardsError(ValueError):
    """Something about rewards that only the person at the keyboard can mend."""


class ProfileError(RewardsError):
    """A profile or a file of official totals that cannot be used; names the file and the key."""


class TooFewEpochs(RewardsError):
    """There are too few official totals to fit weights to."""
