"""Measure: what a dataset holds, in figures, and a gate that degenerate data fails."""
