"""Tests, in rooms as the code."""
