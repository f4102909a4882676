"""Tests of the graph's picture."""
