"""The mid-frequency strategy; see strategy.py."""
