"""The whole way, beside the shortest script a skilled user would write.

``python -m benchmarks.end_to_end [--rounds 1]`` takes a subset of the default study
(one dataset, AWAC and IQL, three seeds, its updates, sizes and episodes, float32 and
int8_static) and lets three ways go from the same dataset to scored int8 files, in turn:
``dvc repro`` and ``python -m flows --local`` in clones of HEAD with an empty cache, and
``peer_script.py`` with d3rlpy, onnxruntime's quantiser and a loop over Gymnasium. Its
process takes as many threads as its libraries choose. Writes ``end_to_end.json``.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from benchmarks import peer
from benchmarks.flow import DOORS, ROOT, run
from tasks.artifacts.environment import environment
from tasks.artifacts.files import write_json

HERE = Path(__file__).parent
SUBSET = (
    "study=quickstart",
    "study.learners=[awac,iql]",
    "study.seeds=[0,1,2]",
    "study.compressors=[float32,int8_static]",
    "study.variants=[float32,int8_static]",
    "study.chains={first:[],then:[]}",
)
WORLDS = {"hopper": "Hopper-v5", "halfcheetah": "HalfCheetah-v5"}
WARM = shutil.ignore_patterns("warm")
# beside d3rlpy's own, in versions of the project's; its Gymnasium imports the last one
NEEDED = ("onnxruntime", "mujoco", "imageio")


def prepared(folder: Path, env: dict[str, str]) -> tuple[Path, dict[str, Any]]:
    """Clone HEAD and make the dataset of the subset, which no way is timed for.

    Args:
        folder: Of the clone; made.
        env: Of the commands.

    Returns:
        The dataset's HDF5 file, and the composed parameters.
    """
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    run(folder, env, "-m", "tasks.artifacts.environment")
    run(folder, env, "-m", "tasks.artifacts.compose", *SUBSET)
    params = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))
    (name,) = params["study"]["datasets"]
    run(folder, env, "-m", "dvc", "repro", "-q", f"generate@{name}")
    return folder / f"data/datasets/{name}-v0/data/main_data.hdf5", params


def scripted(data: Path, params: dict[str, Any], out: Path) -> list[str]:
    """The command of the peer's script.

    Args:
        data: The HDF5 file.
        params: The subset's parameters.
        out: Where it writes its files.
    """
    study, (dataset,) = params["study"], params["study"]["datasets"]
    world = WORLDS[params["dataset"][dataset]["world"]["name"]]
    plays = params["evaluate"]["returns"]["episodes"]
    numbers = map(str, (study["updates"], plays, *study["seeds"]))
    return [str(HERE / "peer_script.py"), str(data), world, str(out), *numbers]


def timed(python: Path, command: list[str], folder: Path) -> dict[str, float]:
    """Run the peer's script in its own environment; wall and CPU seconds.

    Args:
        python: d3rlpy's interpreter.
        command: Arguments of the interpreter.
        folder: Where.
    """
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    env = {k: v for k, v in os.environ.items() if k not in threads}
    return run(folder, env, *command, python=python)


def measure(rounds: int) -> dict[str, Any]:
    """Let the ways take turns.

    Args:
        rounds: How often each runs, at least 1.

    Returns:
        Seconds of each way in each round, their medians, and the ratios of wall time.
    """
    python = peer.python()
    for package in NEEDED:
        pinned = f"{package}=={version(package)}"
        pip = [python, "-m", "pip", "install", "--quiet", pinned]
        subprocess.run(pip, check=True, stdout=sys.stderr)
    env = os.environ | {"DVC_NO_ANALYTICS": "1"}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    ways: dict[str, list[dict[str, float]]] = {"dvc repro": [], "threads": []}
    ways["script"] = []
    with tempfile.TemporaryDirectory() as top:
        source = Path(top) / "clone"
        here = env | {"PYTHONPATH": str(source)}
        data, params = prepared(source, here)
        for k in range(rounds):
            for door in ("dvc repro", "threads"):
                folder = Path(top) / f"{door.split()[0]}-{k}"
                # but no warm server's socket, which is of that folder alone
                shutil.copytree(source, folder, ignore=WARM)
                inside = env | {"PYTHONPATH": str(folder)}
                ways[door].append(run(folder, inside, *DOORS[door]))
            command = scripted(data, params, Path(top) / f"script-{k}")
            ways["script"].append(timed(python, command, Path(top)))
    medians = {
        way: {kind: statistics.median(r[kind] for r in runs) for kind in runs[0]}
        for way, runs in ways.items()
    }
    return {
        "rounds": ways,
        "seconds": medians,
        "ratios": {
            door: round(medians["script"]["wall"] / medians[door]["wall"], 2)
            for door in ("dvc repro", "threads")
        },
    }


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="of each way, >= 1")
    options = parser.parse_args()
    results = measure(options.rounds)
    here = environment(Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    results |= {"machine": here["cpu"], "packages": here["packages"]}
    results["load_after"] = round(os.getloadavg()[0], 2)
    write_json(HERE / "end_to_end.json", results)
    for way, seconds in results["seconds"].items():
        print(f"{way}: {seconds['wall']} s, CPU {seconds['cpu']} s")  # noqa: T201
    print(f"the script's time over ours: {results['ratios']}")  # noqa: T201


if __name__ == "__main__":
    main()
