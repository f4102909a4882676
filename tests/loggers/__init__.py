"""Tests of loggers, and a logger of their own."""
