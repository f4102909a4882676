"""Make a policy of a source: ``python -m tasks.adopt --policy NAME``.

Reads ``data/sources/<NAME>/`` and the dataset that ``adopted.<NAME>`` names; writes
``data/policies/<dataset>/<NAME>/`` as training does: policy.json and
policy.safetensors, of one seed, number 0. There are no curves, as nothing was trained.
"""

import argparse
from pathlib import Path
from typing import Any

from tasks.adopt import Adoption
from tasks.adopt.cores.spaces import Spaces
from tasks.adopt.engine.source import SOURCES, origin_of, read_source
from tasks.artifacts.files import whole_folder
from tasks.artifacts.makers import known_dataset
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import build, load
from tasks.artifacts.policy import save_policy
from tasks.artifacts.stage import run_stage
from tasks.code import made_by
from tasks.code.blocks import checked


def main() -> None:
    """Command of the stage ``adopt``."""
    parser = argparse.ArgumentParser(prog="python -m tasks.adopt", description=__doc__)
    add_name(parser, "--policy", required=True, help="a name under adopted")
    name = parser.parse_args().policy
    params = load()
    block = checked(params, "adopted", name)
    adoption: Adoption[Any] = build(block, f"adopted.{name}")
    dataset = block["dataset"]
    known_dataset(params, dataset, f"adopted.{name}.dataset")
    output = Path("data/policies") / dataset / name
    check_place(output)
    spaces, sha = Spaces.of_dataset(Path("data/datasets") / f"{dataset}-v0")
    policy, about = read_source(SOURCES / name, adoption, spaces)
    origin = origin_of(name, spaces, dataset, sha, about)
    origin["made_by"] = [made_by("adopt", block["method"], block)]
    with whole_folder(output) as folder:
        save_policy(folder, policy, origin)
    print(f"{output}: {about['format']}, not made here; {about['verified']}")


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
