"""Tests of what passes between stages."""
