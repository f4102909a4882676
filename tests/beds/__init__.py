"""Tests of the room beds."""
