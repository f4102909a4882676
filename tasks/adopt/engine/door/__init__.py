"""The command of `make adopt`."""
