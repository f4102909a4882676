"""The stages of Offcut: worlds -> generate, train, compress, export, evaluate, report.

One room a stage, one file a method. A stage is started as ``python -m tasks.<stage>``.
"""

import os
import sys

# One thread a process, one process a core: these libraries read the variables when
# they load, so they are set before any stage imports them.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# While Python looks for the module of `-m`, that is its first argument. Off Linux a
# stage imports its libraries itself: after a fork macOS' Accelerate may hang.
if (
    sys.argv[:1] == sys.orig_argv[1:2] == ["-m"]
    and sys.orig_argv[2].startswith("tasks.")
    and not sys.orig_argv[2].startswith("tasks.warm")
    and sys.platform == "linux"
    and os.environ.get("OFFCUT_WARM") != "0"
):
    from tasks.warm.client import run_warm

    run_warm()
