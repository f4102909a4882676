"""Take one policy out of a sweep: ``python -m tasks.artifacts.cut``.

    --dataset D --learner L --policy P

Copies ``data/policies/<D>/<L>/<P>/``, which the training of the whole sweep left, to
``data/policies/<D>/<P>/``, where later stages look for a policy. So a sweep trains all
its configurations in one stage, and what follows of a policy runs again only if its own
bytes changed.
"""

import argparse
import shutil
from pathlib import Path

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import whole_folder
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.stage import run_stage

POLICIES = Path("data/policies")


def main() -> None:
    """Command of the stage ``cut``."""
    parser = argparse.ArgumentParser(prog="python -m tasks.artifacts.cut")
    for option in ("--dataset", "--learner", "--policy"):
        add_name(parser, option, required=True)
    options = parser.parse_args()
    source = POLICIES / options.dataset / options.learner / options.policy
    if not (source / "policy.json").is_file():
        raise RefusedError(
            source,
            "policy.json",
            "nothing",
            "a policy of a sweep",
            f"make it with: python -m tasks.train --dataset {options.dataset} "
            f"--learner {options.learner}",
        )
    output = POLICIES / options.dataset / options.policy
    check_place(output)
    with whole_folder(output) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
