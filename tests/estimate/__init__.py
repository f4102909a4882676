"""Tests of the room estimate."""
