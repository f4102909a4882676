"""The stages of Offcut: worlds -> generate, train, compress, export, evaluate, report.

One room a stage, one file a method. A stage is started as ``python -m tasks.<stage>``.
"""

import os

# One thread a process, one process a core: these libraries read the variables when
# they load, so they are set before any stage imports them.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
