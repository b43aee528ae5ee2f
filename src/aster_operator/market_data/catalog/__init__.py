"""The Parquet catalog of recorded markets; see docs/map.md."""
