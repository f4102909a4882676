"""Tests of comparing revisions; a package, as names of its modules occur elsewhere."""
