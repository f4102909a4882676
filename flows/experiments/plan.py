"""Check a study before anything of it is written: name, overrides, parameters.

A study takes its files from the commit that it stands on. New files that it names
count, too, and become part of its experiment: parameters, sources that DVC tracks and
behaviours, as `make import`, `make adopt` and `make world` write them.
"""

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

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
SOURCES = Path("data/sources")
# where a study's new files lie; the endings are git's patterns
NEW = (
    "params/*.yaml",
    f"{SOURCES}/*.dvc",
    "data/behaviors/*.onnx",
    "data/behaviors/*.json",
)


@dataclass(frozen=True)
class Study:
    """A study that was checked, and of which nothing is written yet.

    Attributes:
        root: The user's clone, absolute.
        name: A file of params/study/, without its ending.
        overrides: In Hydra's grammar, e.g. ``train.iql.expectile=0.8``.
        commit: The SHA-1 of the commit the experiment stands on.
        params: The text of its params.yaml.
        key: The name of its worktree and, by default, of its experiment.
        experiment: The experiment's name.
        new: Files that it names and git does not track, relative to the clone.
    """

    root: Path
    name: str
    overrides: tuple[str, ...]
    commit: str
    params: str
    key: str
    experiment: str
    new: tuple[Path, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder of its worktree."""
        return self.root / STUDIES / self.key


def key(name: str, *decisive: bytes) -> str:
    """The study's name and a short hash of what decides its results.

    Args:
        name: Of the study.
        *decisive: The SHA-1 of the commit that it runs on, the text of its params.yaml,
            and what of its new files params.yaml does not hold.
    """
    return f"{name}-{sha256(b''.join(decisive)).hexdigest()[:DIGITS]}"


def words(text: str) -> list[str]:
    """Split overrides as a shell would, without one.

    Raises:
        RefusedError: If a quote is not closed.
    """
    try:
        return shlex.split(text)
    except ValueError as error:
        expected = "key=value pairs, quotes closed"
        raise RefusedError(
            "--set", "text", f"{text!r:.80}", expected, str(error)
        ) from None


def texts(params: Any) -> Iterator[str]:
    """All keys and texts of parameters."""
    if isinstance(params, Mapping):
        for name, value in params.items():
            yield str(name)
            yield from texts(value)
    elif isinstance(params, list):
        for value in params:
            yield from texts(value)
    elif isinstance(params, str):
        yield params


def new_files(root: Path) -> list[Path]:
    """Files a study may name that git neither tracks nor ignores.

    A source that is a link instead of a copy is ignored by git and counts as well.
    """
    options = ("-z", "--others", "--exclude-standard", "--")
    listed = git(root, "ls-files", *options, *NEW).split("\0")
    links = [path for path in (root / SOURCES).glob("*") if path.is_symlink()]
    return [
        *(Path(file) for file in listed if file),
        *(path.relative_to(root) for path in sorted(links)),
    ]


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
    new = new_files(root)
    with TemporaryDirectory() as place:
        tracked = filter(None, git(root, "ls-files", "-z", "params").split("\0"))
        for file in (*map(Path, tracked), *new):
            if file.parts[0] != "params":
                continue
            copy = Path(place, file)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / file, copy)
        _check_study(name, [p.stem for p in Path(place).glob("params/study/*")])
        for override in overrides:
            if override.lstrip("+~").partition("=")[0] == "study":
                raise RefusedError(
                    f"study {name}",
                    "override",
                    override,
                    "a key",
                    "name one study only",
                )
        try:
            text = composed([f"study={name}", *overrides], Path(place, "params"))
        except RefusedError as error:  # of the copy, which is gone when it is read
            fields = error.__reduce__()[1]
            own = [part.replace(f"{place}{os.sep}", "") for part in fields]
            raise RefusedError(*own) from None
    params = yaml.safe_load(text)
    try:
        check(params)
    except RefusedError as error:
        raise RefusedError(
            f"study {name}",
            error.field,
            error.found,
            error.expected,
            "change the override" if overrides and error.mend == MEND else error.mend,
        ) from None
    names = {name, *texts(params)}
    named = tuple(file for file in new if file.stem in names or file.name in names)
    contents = [
        (root / file).read_bytes()
        for file in named
        if file.parts[0] != "params" and not (root / file).is_symlink()
    ]
    own_key = key(name, commit.encode(), text.encode(), *contents)
    experiment = experiment or own_key
    check_experiment(root, commit, experiment, text)
    return Study(root, name, tuple(overrides), commit, text, own_key, experiment, named)


def _check_study(name: str, names: Sequence[str]) -> None:
    """Refuse a study that is not there; names the nearest."""
    if name in names:
        return
    near = nearest(name, names)
    mend = f"did you mean {near}?" if near else "take one of these, or write one"
    found = "no such study"
    raise RefusedError("params/study", name, found, ", ".join(sorted(names)), mend)
