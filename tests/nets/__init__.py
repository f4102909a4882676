"""Tests of layers and policies."""
