"""Keep the studies `baselines` and `real_size`, and write them up: docs/baselines.md.

    python -m benchmarks.baselines [STUDY FOLDER]

FOLDER is where the study ran (``python -m flows.study STUDY --keep`` says so at its
end). What the page needs is copied into data/studies/STUDY; without arguments only the
page and its picture are written.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from benchmarks import baselines_page
from tasks.artifacts.curves import read_horizon
from tasks.statistics.intervals import iqm

HERE = Path(__file__).parents[1]
STUDIES = HERE / "data/studies"
PAGE = HERE / "docs/baselines.md"
PICTURE = HERE / "docs/baselines.svg"
CARD = ("episodes", "steps", "score_mean", "sha256")
KEPT = ("metrics", "learning", "datasets", "horizons")


def keep(study: str, folder: Path) -> None:
    """Copy what the page says of a study into the project.

    Args:
        study: Its name.
        folder: Where it ran.
    """
    data, kept = folder / "data", STUDIES / study
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    for source in ("params.yaml", "environment.json", "data/report/index.html"):
        shutil.copyfile(folder / source, kept / Path(source).name)
    shutil.move(kept / "index.html", kept / "report.html")
    learners = [path.parent for path in sorted(data.glob("policies/*/*/policy.json"))]
    names = ["/".join(path.parts[-2:]) for path in learners]
    files = {
        "metrics": json.loads((data / "report/table.json").read_text("utf-8")),
        "learning": {n: curve(data / "evaluations" / n / "snapshots") for n in names},
        "datasets": {p.name.removesuffix("-v0"): card(p) for p in datasets(data)},
        "horizons": {
            name: read_horizon(path, "dvc repro")
            for name, path in zip(names, learners, strict=True)
        },
    }
    for name, content in files.items():
        text = json.dumps(content, indent=1, sort_keys=True) + "\n"
        (kept / f"{name}.json").write_text(text, encoding="utf-8")


def datasets(data: Path) -> list[Path]:
    """The folders of a study's datasets."""
    return [path.parent for path in sorted(data.glob("datasets/*/card.json"))]


def card(dataset: Path) -> dict[str, Any]:
    """What the page says of a dataset: size, mean score, reference returns.

    Args:
        dataset: Its folder.
    """
    whole = json.loads((dataset / "card.json").read_text(encoding="utf-8"))
    world = json.loads((dataset / "world.json").read_text(encoding="utf-8"))["world"]
    references = {key: world[key] for key in ("ref_min", "ref_max")}
    return {key: whole[key] for key in CARD} | references


def curve(snapshots: Path) -> dict[str, list[float]]:
    """Each seed's interquartile mean return, by the number of updates done.

    Args:
        snapshots: Folder of returns.csv, one row an episode.
    """
    returns = pd.read_csv(snapshots / "returns.csv")
    return {
        str(update): [
            round(float(iqm(own["return"].to_numpy(np.float64))), 3)
            for _, own in rows.groupby("seed")
        ]
        for update, rows in returns.groupby("update")
    }


def read(study: str) -> dict[str, Any]:
    """What was kept of a study, with its parameters.

    Args:
        study: Its name.
    """
    kept = STUDIES / study
    content: dict[str, Any] = {
        name: json.loads((kept / f"{name}.json").read_text(encoding="utf-8"))
        for name in KEPT
    }
    text = (kept / "params.yaml").read_text(encoding="utf-8")
    return content | {"params": yaml.safe_load(text)}


def written() -> dict[Path, str]:
    """The page and the picture, by path, of what was kept."""
    small, real = read("baselines"), read("real_size")
    sources = HERE / "benchmarks"
    corl = json.loads((sources / "corl.json").read_text(encoding="utf-8"))
    beds = json.loads((sources / "beds.json").read_text(encoding="utf-8"))
    return {
        PAGE: baselines_page.render(small, real, corl, beds),
        PICTURE: baselines_page.picture(real, corl),
    }


def main() -> None:
    """Keep the study that the command line names, and write the page."""
    if sys.argv[1:]:
        keep(sys.argv[1], Path(sys.argv[2]))
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
