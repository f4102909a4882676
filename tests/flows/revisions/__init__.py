"""Tests of flows/revisions/."""
