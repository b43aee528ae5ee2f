"""Searching continuous ranges with the sweep as the objective, and judging what was found."""
