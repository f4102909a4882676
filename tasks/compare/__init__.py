"""Compare: two or more revisions become one page and a summary in Markdown.

| file | what it does |
|---|---|
| ``revision.py`` | reads one revision, each file by ``files.py`` |
| ``pair.py`` | pairs the variants of two revisions and judges the difference |
| ``differences.py``, ``made_by.py``, ``onnx_graphs.py`` | what else differs |
| ``headline.py`` | what came out, in one sentence |
| ``content.py``, ``results.py`` | everything a reader is shown, computed |
| ``page.py``, ``markdown.py`` | the page and the summary, written |

A revision is a folder that looks like the project at that moment: ``params.yaml``,
``dvc.lock``, ``requirements.lock`` and, below ``data/``, what :func:`wanted` names. The
first one is the baseline. Whoever fills the folders says in a :class:`Source` what
the revision is called and what could not be had; nothing here knows git or DVC.

What is paired are episodes: same world, same training seeds, same start seeds. Whatever
cannot be paired is listed with the reason. Other data, code or parameters are no such
reason: they are what is compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.makers import MAKERS, group_of

WORKSPACE = "workspace"
# of a revision, beside what DVC tracks
DOCUMENTS = ("params.yaml", "dvc.lock", "requirements.lock")


@dataclass(frozen=True)
class Missing:
    """Something a comparison needs and does not have.

    Attributes:
        path: File or folder of the revision.
        why: In words.
        command: What makes it.
    """

    path: str
    why: str
    command: str


@dataclass(frozen=True)
class Source:
    """One revision.

    Attributes:
        name: As the user gave it.
        kind: ``commit``, ``branch``, ``tag``, ``experiment`` or ``workspace``.
        sha: Of the commit; empty for the workspace.
        subject: First line of the commit's message; empty for the workspace.
        folder: Where its files lie.
        missing: What could not be had.
        code: Hash of the files and folders its stages depend on, as they stand there
            now; dvc.lock has those they ran with.
    """

    name: str
    kind: str
    sha: str
    subject: str
    folder: Path
    missing: tuple[Missing, ...] = ()
    code: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    """Files of one output of the graph.

    Attributes:
        out: The output's path.
        files: Those that are needed; empty for all.
        stage: The stage that writes it.
    """

    out: str
    files: tuple[str, ...]
    stage: str


def wanted(params: Mapping[str, Any], where: object = "params.yaml") -> list[Wanted]:
    """The outputs a comparison reads of a revision, by the study in its parameters.

    Args:
        params: The composed parameters.
        where: Their file, for errors.

    Raises:
        RefusedError: If they hold no study.
    """
    outputs = []
    made = (("onnx", "export"), ("evaluations", "evaluate"))
    # revisions from before there were logs without a world played every dataset
    study = params.get("study")
    states = isinstance(study, Mapping) and study.get("played") is not None
    played = names(params, "played" if states else "datasets", where)
    swept = {policy for tried in _swept(params) for policy in tried}
    adopted = names(params, "adopted", where, needed=False)
    both = {"study": (study or {}).get("tuned") if states else None}
    firsts, seconds = (
        names(both, key, where, needed=False) for key in ("learners", "policies")
    )
    tuned = {f"{learner}-{policy}" for learner in firsts for policy in seconds}
    for dataset in names(params, "datasets", where):
        data = f"data/datasets/{dataset}-v0"
        stage = f"{MAKERS[group_of(params, dataset)]}@{dataset}"
        arrays = dataset in names(params, "predicted", where, needed=False)
        if not arrays:  # what named arrays say of themselves nothing here reads
            outputs.append(Wanted(data, ("card.json", "world.json"), stage))
        if dataset in names(params, "measured", where, needed=False):
            outputs.append(Wanted(f"data/qdc/{dataset}", (), f"measure@{dataset}"))
        # revisions from before a study named its policies trained and kept the same
        kept = names(params, "policies", where, needed=False)
        for learner in kept or names(params, "learners", where):
            leaf, branch = f"{dataset}/{learner}", f"{dataset}-{learner}"
            policy = f"data/policies/{leaf}"
            plain = learner in names(params, "learners", where, needed=False)
            trained = "train" if plain else "train_weighted"
            online = names(params, "learned", where, needed=False)
            trained = "learn" if learner in online else trained
            trained = "learn_tuned" if learner in tuned else trained
            stage = f"{'cut' if learner in swept else trained}@{branch}"
            if learner not in adopted:  # nothing was trained
                outputs.append(Wanted(policy, ("curves.csv", "policy.json"), stage))
            for method in names(params, "estimators", where, needed=False):
                out = f"data/estimates/{leaf}/{method}"
                outputs.append(Wanted(out, (), f"estimate@{branch}-{method}"))
            for variant in names(params, "variants", where):
                for kind, stage in made[: 2 if dataset in played else 1]:
                    out = f"data/{kind}/{leaf}/{variant}"
                    outputs.append(Wanted(out, (), f"{stage}@{branch}-{variant}"))
                for metric in names(params, "metrics", where, needed=False):
                    out = f"data/evaluations/{leaf}/{variant}/{metric}"
                    stage = f"evaluate_predictor@{branch}-{variant}-{metric}"
                    outputs.append(Wanted(out, (), stage))
    return outputs


def _swept(params: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The configurations of each learner; none of a revision from before sweeps."""
    grid = params.get("grid")
    blocks = grid.values() if isinstance(grid, Mapping) else ()
    return [tried for tried in blocks if isinstance(tried, Mapping)]


def names(
    params: Mapping[str, Any], key: str, where: object, *, needed: bool = True
) -> list[str]:
    """A list of a study, e.g. ``learners``; empty if it may be and is missing.

    Raises:
        RefusedError: If the parameters hold no such list.
    """
    study = params.get("study")
    value = study.get(key) if isinstance(study, Mapping) else None
    if value is None and not needed:
        return []
    if not isinstance(value, list) or not all(_plain(name) for name in value):
        raise RefusedError(
            where,
            f"study.{key}",
            f"{value!r:.40}",
            "a list of names",
            "compare revisions that hold a study; `make params` composes one",
        )
    return value


def _plain(name: object) -> bool:
    """Whether a name cannot lead out of its folder."""
    return isinstance(name, str) and Path(name).name == name and name not in ("", "..")
