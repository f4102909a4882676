"""Keep the study `baselines`, and write it up: docs/baselines.md.

    python -m benchmarks.baselines [FOLDER]

FOLDER is where the study ran (``make study NAME=baselines SET=...`` with ``--keep``, or
a checkout of its experiment after ``dvc checkout``). Its metrics, curves, learning and
report are copied into data/studies/baselines; without FOLDER only the page is written.
"""

import csv
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.tables import table

HERE = Path(__file__).parents[1]
KEPT = HERE / "data/studies/baselines"
PAGE = HERE / "docs/baselines.md"
CARD = ("episodes", "steps", "score_mean", "sha256")
CORL = Path(__file__).parent / "corl.json"
DISCOUNT = 0.99  # of every learner here
HEAD = """# The offline baselines

The study `baselines`: eleven learners, four datasets, five seeds, 10 000 updates of
two layers of 64. `make study NAME=baselines` runs it again, unattended, and goes on
after a kill. Metrics, curves and report page of this run lie in
[data/studies/baselines](../data/studies/baselines), with
[its parameters](../data/studies/baselines/params.yaml).

**This run is from before its critics were given their horizon.** With polyak 0.005 they
had 0.5 of it, 39 % of a value (`td3_bc` and `rebrac` 0.25, 22 %), so all learners with
critics are UNDERTRAINED here, and what they score is no verdict on their methods. The
medium-replay datasets were other mixtures: in halfcheetah's 30 % of the steps show a
robot that lies still, and `bc` lay still with them, so *above bc* says little there.
`rebrac` had hopper-medium's penalties and `xql` one temperature on every dataset. All
of this has been changed in [the study](../params/study/baselines.yaml) since.

Scores: 0 is the random policy, 100 the best behaviour policy, both measured here; the
interquartile mean over seeds and 20 episodes, with its 95 % interval over both. *Above
bc*: the whole interval lies above bc's. *Last* and *best* are of the ten policies kept
on the way, 5 episodes a seed. CORL's figures are context alone: D4RL's data and physics
are others, its networks larger, its updates a hundred times as many, its numbers tuned
for each dataset.
"""
BELOW = """Below the random policy. *Its value* is what SAC-N's ten critics give logged
actions in the end, mean; hold it against the largest discounted sum of rewards in the
data and against what the policy then earns. On hopper it believes in actions that
nobody tried; its authors need 200 to 500 critics there, 20 on walker2d, and three
million updates. On halfcheetah ten are the authors' number, and the value is low: it is
under-trained."""


def keep(folder: Path) -> None:
    """Copy the study's metrics, curves, learning and report into the project.

    Args:
        folder: Where the study ran.
    """
    data = folder / "data"
    KEPT.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data / "report/table.json", KEPT / "metrics.json")
    shutil.copyfile(data / "report/index.html", KEPT / "report.html")
    shutil.copyfile(folder / "params.yaml", KEPT / "params.yaml")
    shutil.copyfile(folder / "environment.json", KEPT / "environment.json")
    shutil.rmtree(KEPT / "curves", ignore_errors=True)
    shutil.copytree(data / "report/plots/curves", KEPT / "curves")
    learning = {
        f"{path.parts[-4]}/{path.parts[-3]}": json.loads(path.read_text())
        for path in sorted(data.glob("evaluations/*/*/snapshots/metrics.json"))
    }
    text = json.dumps(learning, indent=1, sort_keys=True) + "\n"
    (KEPT / "learning.json").write_text(text, encoding="utf-8")
    cards = {}
    for path in sorted(data.glob("datasets/*/card.json")):
        card = json.loads(path.read_text())
        world = json.loads((path.parent / "world.json").read_text())["world"]
        name = path.parent.name.removesuffix("-v0")
        cards[name] = {key: card[key] for key in CARD}
        cards[name] |= {key: world[key] for key in ("ref_min", "ref_max")}
        cards[name]["discounted_max"] = best_to_come(path.parent)
    text = json.dumps(cards, indent=1, sort_keys=True) + "\n"
    (KEPT / "datasets.json").write_text(text, encoding="utf-8")


def best_to_come(dataset: Path) -> float:
    """The largest discounted sum of rewards that followed a logged step.

    Args:
        dataset: Folder of a Minari dataset.
    """
    best = -np.inf
    with h5py.File(dataset / "data/main_data.hdf5") as file:
        for episode in file.values():
            ahead = 0.0
            for reward in np.asarray(episode["rewards"])[::-1]:
                ahead = float(reward) + DISCOUNT * ahead
                best = max(best, ahead)
    return round(best, 1)


def page(
    metrics: Mapping[str, Any],
    learning: Mapping[str, Any],
    cards: Mapping[str, Any],
    corl: Mapping[str, Any],
    curves: Path,
) -> str:
    """Write docs/baselines.md.

    Args:
        metrics: metrics.json of the study's report.
        learning: Scores of the policies kept on the way, by ``dataset/learner``.
        cards: What is said of each dataset, by name.
        corl: CORL's published figures.
        curves: Folder of the learners' curves.

    Returns:
        The page's Markdown.
    """
    parts = [HEAD, verdict(metrics), below_random(metrics, cards, curves)]
    for dataset, learners in metrics.items():
        card = cards[dataset]
        published = corl["scores"].get(dataset, {})
        rows = [
            row(name, learners, learning[f"{dataset}/{name}"], card, published)
            for name in learners
        ]
        parts += [
            f"## {dataset}",
            f"{card['episodes']} episodes, {card['steps']} steps, mean score "
            f"{card['score_mean']:.1f}.",
            table("learner | score | | last | best | CORL, last | int8 file", rows),
        ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def row(
    name: str,
    learners: Mapping[str, Any],
    way: Mapping[str, Any],
    card: Mapping[str, Any],
    corl: Mapping[str, Any],
) -> list[str]:
    """The row of one learner on one dataset.

    Args:
        name: The learner.
        learners: metrics.json of the dataset.
        way: Scores of the policies kept on the way.
        card: What is said of the dataset.
        corl: CORL's figures for the dataset, by learner.
    """
    own, bc = learners[name]["float32"], learners["bc"]["float32"]
    words = "above bc" if own["score_low"] > bc["score_high"] else ""
    if own["score_high"] < 0:
        words = "below random"

    def score(moment: str) -> str:
        spread = card["ref_max"] - card["ref_min"]
        return f"{100 * (way[moment]['iqm'] - card['ref_min']) / spread:.1f}"

    return [
        f"`{name}`",
        f"{own['score']:.1f} [{own['score_low']:.1f}, {own['score_high']:.1f}]",
        words,
        score("last"),
        score("best"),
        "{:.1f} ± {:.1f}".format(*corl[name]) if name in corl else "-",
        learners[name]["int8_static"]["verdict"],
    ]


def verdict(metrics: Mapping[str, Any]) -> str:
    """Which learners are above bc, in a sentence a dataset."""
    lines = []
    for dataset, learners in metrics.items():
        bc = learners["bc"]["float32"]["score_high"]
        above = [
            f"`{name}`"
            for name in learners
            if learners[name]["float32"]["score_low"] > bc
        ]
        lines.append(f"- {dataset}: {', '.join(above) or 'nobody'}")
    return "Above bc, interval by interval:\n\n" + "\n".join(lines)


def below_random(
    metrics: Mapping[str, Any], cards: Mapping[str, Any], curves: Path
) -> str:
    """Which learners are below the random policy, and what their critics say of it."""
    rows = []
    for dataset, learners in metrics.items():
        for name, own in learners.items():
            if own["float32"]["score_high"] >= 0:
                continue
            path = curves / f"{dataset}-{name}-value.csv"
            *_, last = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
            value = f"{float(last['mean']):.0f}"
            most = f"{cards[dataset]['discounted_max']:.0f}"
            rows.append(
                [dataset, f"`{name}`", value, most, round(own["float32"]["return"])]
            )
    if not rows:
        return "Nobody is below the random policy."
    head = "dataset | learner | its value | largest in the data | its return"
    return f"{BELOW}\n\n{table(head, rows)}"


def main() -> None:
    """Keep the study of the folder the command line names, and write the page."""
    if sys.argv[1:]:
        keep(Path(sys.argv[1]))
    documents = [
        json.loads((KEPT / name).read_text(encoding="utf-8"))
        for name in ("metrics.json", "learning.json", "datasets.json")
    ]
    corl = json.loads(CORL.read_text(encoding="utf-8"))
    PAGE.write_text(page(*documents, corl, KEPT / "curves"), encoding="utf-8")


if __name__ == "__main__":
    main()
