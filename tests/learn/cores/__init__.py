"""Tests of what streaming methods share."""
