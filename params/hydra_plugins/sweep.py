"""Let ``${sweep:...}`` be used in params/ when DVC composes them.

Hydra imports what lies in a folder of this name; .dvc/config says where it is.
"""

from tasks.artifacts.sweep import register

register()
