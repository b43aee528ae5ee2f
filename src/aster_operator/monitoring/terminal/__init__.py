"""Room of the house; see docs/map.md."""
