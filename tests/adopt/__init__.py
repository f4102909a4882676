"""Policies that were trained elsewhere."""
