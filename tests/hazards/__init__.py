"""Bad inputs at every door of a small prepared project: ``python -m tests.hazards``.

A case spoils a copy of the project, then knocks at one door, in a process of its own.
What must hold: one line that begins with ``refused:`` and ends with what mends it, exit
code 1, no traceback, and no file made, changed or removed. Beside each kind stand its
legitimate neighbours, which must pass.
"""
