"""Learn in a world: ``python -m tasks.learn --dataset D --learner L``.

D is a dataset whose world is played; its rows are not learned from. Writes
``data/policies/<D>/<L>/`` as ``tasks.train`` does. Killed and run again, it goes on
where it was and ends with the same bytes; a learner of tables begins again.
"""

import argparse
from pathlib import Path

from tasks.artifacts.cut import POLICIES
from tasks.artifacts.files import read_json, sha256, whole_folder
from tasks.artifacts.makers import known_dataset
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import load
from tasks.artifacts.processes import usable_cores
from tasks.artifacts.progress import Progress
from tasks.artifacts.stage import run_stage
from tasks.artifacts.study import Effort, check_steps, stated
from tasks.code import made_by
from tasks.code.blocks import checked
from tasks.learn.engine.parts import Job, Part, write
from tasks.learn.engine.tables import is_table, learn_tables
from tasks.loggers import check_logger
from tasks.train.engine.learners import check_kind
from tasks.train.engine.loop import check_precision, settle
from tasks.train.engine.processes import side_by_side, split
from tasks.worlds.engine.recorded import read_checked, recorded_world


def main() -> None:
    """Command of the stage ``learn``."""
    parser = argparse.ArgumentParser(prog="python -m tasks.learn", description=__doc__)
    add_name(parser, "--dataset", required=True, help="a name in study.datasets")
    add_name(parser, "--learner", required=True, help="a name in study.learned")
    arguments = parser.parse_args()
    dataset, name = arguments.dataset, arguments.learner

    params = load()
    block = checked(params, "learn", name)
    known_dataset(params, dataset, "dataset")
    study = stated(params)
    check_steps(study.get("steps", 0), block, name)
    effort = Effort.of({**study, "updates": study["steps"]})
    settle()
    check_precision(effort.precision)
    check_logger()
    output = POLICIES / dataset / name
    check_place(output)
    source = Path("data/datasets") / f"{dataset}-v0"
    world, about = recorded_world(source), read_checked(source)
    if is_table(block, name):
        learn_tables(name, block, world, dataset, effort)
        return
    check_kind(name, block, world.discrete, dataset, "learn")
    job = Job(name, block, world, dataset, sha256(source / "world.json"), effort)
    parts = [Part(job, some) for some in split(effort.seeds, effort.processes)]
    with Progress(f"{dataset} {name}", effort.updates) as progress:

        def report(done: int, metrics: dict[str, float]) -> None:
            progress(done, "  ".join(f"{k} {v:.4g}" for k, v in metrics.items()))

        if len(parts) > 1:
            cores = min(effort.processes, usable_cores())
            side_by_side(len(parts), lambda i, say: parts[i].learn(say), report, cores)
        else:
            parts[0].learn(report)
    origin = {
        "seeds": list(effort.seeds),
        "dataset": dataset,
        "dataset_sha256": read_json(source / "card.json", "dvc repro")["sha256"],
        "world": about["world"]["name"],
        "env_id": about["world"]["env_id"],
        "step_seconds": about["step_seconds"],
        "learner": name,
        "learned": {"steps": effort.updates},
        "made_by": [made_by("learn", name, block)],
    }
    with whole_folder(output) as folder:
        write(job, parts, folder, origin)
    for part in parts:
        part.remove()


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
