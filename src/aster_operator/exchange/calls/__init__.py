"""The venue's REST endpoints as typed methods, one module for each area."""
