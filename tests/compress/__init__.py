"""Tests of the compress stage."""
