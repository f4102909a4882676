"""Code: which files of this project a method is made of, and whether they changed.

``closures.py`` follows imports; ``check.py`` checks all parameters before the first
stage. Both are asked by the stage ``code``, ``python -m tasks.code``.
"""

from tasks.code.closures import (
    PROJECT,
    ROOMS,
    Closure,
    closure,
    digest,
    made_by,
    methods,
    of_method,
    texts,
    world_method,
    write,
)

__all__ = [
    "PROJECT",
    "ROOMS",
    "Closure",
    "closure",
    "digest",
    "made_by",
    "methods",
    "of_method",
    "texts",
    "world_method",
    "write",
]
