"""Tests of flows/experiments/."""
