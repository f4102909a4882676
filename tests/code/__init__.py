"""Tests of the room code."""
