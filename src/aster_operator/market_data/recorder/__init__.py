"""Recording the market as it happens; see docs/map.md."""
