"""Tests of flows/cluster/."""
