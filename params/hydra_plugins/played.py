"""Let ``${played:...}`` be used in params/ when DVC composes them, as sweep.py does."""

from tasks.artifacts.played import register

register()
