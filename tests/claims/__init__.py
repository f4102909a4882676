"""Tests of the stage train."""
