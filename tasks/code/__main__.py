"""Write what each method is made of: ``python -m tasks.code``.

The first stage of the graph. It checks all parameters, environment.json, dvc.lock, that
the cache has room, and that no stage would remove what may be the user's: what any
stage would refuse is refused before the first of them writes anything. Then it writes
``data/code/<room>/<method>.json``, {path: SHA-256}, and the same for each world of the
study that has a name of its own. Stages depend on these files.
"""

from pathlib import Path

from tasks.artifacts.dvc_cache import check_cache
from tasks.artifacts.dvc_lock import check_lock
from tasks.artifacts.environment import check_environment
from tasks.artifacts.ownership import check_outputs
from tasks.artifacts.params import load
from tasks.artifacts.stage import run_stage
from tasks.code import write
from tasks.code.blocks import named_worlds
from tasks.code.check import check

OUT = Path("data/code")


def main() -> None:
    """Check, then write."""
    params = load()
    check(params)
    check_environment()
    check_lock()
    check_cache()
    check_outputs()
    write(OUT, worlds=named_worlds(params))


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
