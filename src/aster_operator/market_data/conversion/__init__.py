"""Recorded data of other forms, into a catalog and out of it; see docs/map.md."""
