"""The command that brings data which others recorded."""
