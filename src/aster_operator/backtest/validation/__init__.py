"""Whether a result of many trials can be believed; see docs/map.md."""
