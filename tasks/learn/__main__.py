"""Learn in a world: ``python -m tasks.learn --dataset D --learner L``.

D is a dataset whose world is played; its rows are learned from only where the learner's
``data_share`` says so. Writes ``data/policies/<D>/<L>/`` as ``tasks.train`` does, and
the learner's state. With ``--start P`` the learner begins from the policy
``data/policies/<D>/<P>``, and its own is called ``<L>-<P>``. Killed and run again, it
goes on where it was and ends with the same bytes; a learner of tables begins again.
"""

import argparse
from pathlib import Path

from tasks.artifacts.cut import POLICIES
from tasks.artifacts.files import read_json, sha256, whole_folder
from tasks.artifacts.makers import known_dataset
from tasks.artifacts.names import add_name
from tasks.artifacts.ownership import check_place
from tasks.artifacts.params import class_of, load
from tasks.artifacts.processes import usable_cores
from tasks.artifacts.progress import Progress
from tasks.artifacts.rows import load_transitions
from tasks.artifacts.stage import run_stage
from tasks.artifacts.study import Effort, check_steps, stated
from tasks.code import made_by
from tasks.code.blocks import checked
from tasks.learn.engine.parts import Job, Part, check_rooms, write
from tasks.learn.engine.start import read_start
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
    add_name(parser, "--start", help="a name in study.tuned.policies")
    arguments = parser.parse_args()
    dataset, name, begin = arguments.dataset, arguments.learner, arguments.start
    policy = f"{name}-{begin}" if begin else name

    params = load()
    block = checked(params, "learn", name)
    known_dataset(params, dataset, "dataset")
    study = stated(params)
    check_steps(study.get("steps", 0), block, name)
    effort = Effort.of({**study, "updates": study["steps"]})
    settle()
    check_precision(effort.precision)
    check_logger()
    output = POLICIES / dataset / policy
    check_place(output)
    source = Path("data/datasets") / f"{dataset}-v0"
    world, about = recorded_world(source), read_checked(source)
    if is_table(block, name):
        learn_tables(name, block, world, dataset, effort)
        return
    check_kind(name, block, world.discrete, dataset, "learn")
    start = None
    if begin:
        start = read_start(dataset, name, class_of(block, f"learn.{name}"), begin)
    data = load_transitions(source) if block.get("data_share") else None
    world_sha256 = sha256(source / "world.json")
    job = Job(name, block, world, dataset, world_sha256, effort, policy, start, data)
    # seeds whose episodes bring updates take theirs at other steps than the others
    alone = bool(block.get("updates_per_episode"))
    count = len(effort.seeds) if alone else effort.processes
    parts = [Part(job, some) for some in split(effort.seeds, count)]
    check_rooms(job, parts)
    with Progress(f"{dataset} {policy}", effort.updates) as progress:

        def report(done: int, metrics: dict[str, float]) -> None:
            progress(done, "  ".join(f"{k} {v:.4g}" for k, v in metrics.items()))

        if len(parts) > 1:
            cores = min(effort.processes, usable_cores())
            side_by_side(len(parts), lambda i, say: parts[i].learn(say), report, cores)
        else:
            parts[0].learn(report)
    before = start.origin["made_by"] if start else []
    mixed = {"data_share": block["data_share"]} if data else {}
    origin = {
        "seeds": list(effort.seeds),
        "dataset": dataset,
        "dataset_sha256": read_json(source / "card.json", "dvc repro")["sha256"],
        "world": about["world"]["name"],
        "env_id": about["world"]["env_id"],
        "step_seconds": about["step_seconds"],
        "learner": policy,
        "learned": {"steps": effort.updates, **mixed},
        "made_by": [*before, made_by("learn", name, block)],
    }
    with whole_folder(output) as folder:
        write(job, parts, folder, origin)
    for part in parts:
        part.remove()


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
