"""Revisions of the project, read from git and DVC for a comparison."""
