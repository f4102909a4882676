"""Tests of the warm server."""
