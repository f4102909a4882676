"""Check a study before anything of it is written: name, overrides, parameters."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from flows.engine.refusals import check_project
from flows.experiments.experiment import baseline, check_experiment, git
from tasks.artifacts.compose import composed
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.names import check_name
from tasks.artifacts.nearest import nearest
from tasks.artifacts.params import MEND
from tasks.code.check import check

STUDIES = Path(".offcut/studies")
DIGITS = 7  # of the hash in a study's key


@dataclass(frozen=True)
class Study:
    """A study that was checked, and of which nothing is written yet.

    Attributes:
        root: The user's clone, absolute.
        name: A file of params/study/, without its ending.
        overrides: In Hydra's grammar, e.g. ``train.iql.expectile=0.8``.
        commit: The SHA-1 of the commit the experiment stands on.
        params: The text of its params.yaml.
        experiment: The experiment's name.
    """

    root: Path
    name: str
    overrides: tuple[str, ...]
    commit: str
    params: str
    experiment: str

    @property
    def key(self) -> str:
        """The name of its worktree and, by default, of its experiment."""
        return key(self.name, self.commit, self.params)

    @property
    def folder(self) -> Path:
        """The folder of its worktree."""
        return self.root / STUDIES / self.key


def key(name: str, commit: str, params: str) -> str:
    """The study's name and a short hash of what decides its results.

    Args:
        name: Of the study.
        commit: The SHA-1 of the commit that it runs on.
        params: The text of its params.yaml.
    """
    return f"{name}-{sha256((commit + params).encode()).hexdigest()[:DIGITS]}"


def plan(
    root: Path, name: str, overrides: Sequence[str] = (), experiment: str = ""
) -> Study:
    """Check a study and everything it says, and write nothing.

    Args:
        root: The user's clone.
        name: A file of params/study/, without its ending.
        overrides: In Hydra's grammar, e.g. ``train.iql.expectile=0.8``.
        experiment: Its name; by default the study's with a hash.

    Returns:
        The study, to be run by `perform`.

    Raises:
        RefusedError: If dvc.lock is not whole or tracked files are changed, or on a
            study, key, value or experiment name that will not do.
    """
    check_name(name, "study", "command line")
    if experiment:
        check_name(experiment, "--name", "command line")
    root = root.resolve()
    check_project(root)  # first, as a cut dvc.lock must not be committed
    commit = baseline(root)
    with TemporaryDirectory() as place:
        # only what git tracks is in the commit the study runs on
        for file in filter(None, git(root, "ls-files", "-z", "params").split("\0")):
            copy = Path(place, file)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, copy)
        _check_study(root, name, [p.stem for p in Path(place).glob("params/study/*")])
        for override in overrides:
            if override.lstrip("+~").partition("=")[0] == "study":
                raise RefusedError(
                    f"study {name}",
                    "override",
                    override,
                    "a key",
                    "name one study only",
                )
        text = composed([f"study={name}", *overrides], Path(place, "params"))
    try:
        check(yaml.safe_load(text))
    except RefusedError as error:
        raise RefusedError(
            f"study {name}",
            error.field,
            error.found,
            error.expected,
            "change the override" if overrides and error.mend == MEND else error.mend,
        ) from None
    experiment = experiment or key(name, commit, text)
    check_experiment(root, commit, experiment, text)
    return Study(root, name, tuple(overrides), commit, text, experiment)


def _check_study(root: Path, name: str, names: Sequence[str]) -> None:
    """Refuse a study that git does not have; names the nearest."""
    if name in names:
        return
    near = nearest(name, names)
    mend = f"did you mean {near}?" if near else "take one of these, or write one"
    file = Path("params/study", f"{name}.yaml")
    if (root / file).exists():
        mend = f"put it into git: git add {file} && git commit"
    raise RefusedError(
        "params/study", name, "no such study in git", ", ".join(sorted(names)), mend
    )
