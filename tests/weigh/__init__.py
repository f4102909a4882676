"""Tests of the room weigh."""
