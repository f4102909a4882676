"""One variant's files: named on a command line, checked before anything is read."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import known


@dataclass(frozen=True)
class Variant:
    """What ``--dataset --learner --variant`` name.

    Attributes:
        dataset: A dataset of the study.
        learner: A policy of the study, by its learner.
        variant: A compressor, or a chain ``first-then``.
        seeds: The study's training seeds, one file each.
    """

    dataset: str
    learner: str
    variant: str
    seeds: tuple[int, ...]

    @classmethod
    def parse(
        cls, params: Mapping[str, Any], doc: str, argv: list[str] | None = None
    ) -> Self:
        """From a command line.

        Args:
            params: The composed parameters.
            doc: Of the command, for ``--help``.
            argv: Arguments; the process's own if None.

        Raises:
            RefusedError: If the study has no such name; names the nearest one.
        """
        given = _arguments(params, doc, ("dataset", "learner", "variant"), argv)
        return cls(**given, seeds=tuple((params.get("study") or {}).get("seeds", ())))

    @classmethod
    def parse_all(
        cls, params: Mapping[str, Any], doc: str, argv: list[str] | None = None
    ) -> list[Self]:
        """All variants of the learner a command line names; see :meth:`parse`."""
        given = _arguments(params, doc, ("dataset", "learner"), argv)
        study = params.get("study") or {}
        seeds = tuple(study.get("seeds", ()))
        return [cls(**given, variant=v, seeds=seeds) for v in study.get("variants", ())]

    def folder(self, kind: str) -> Path:
        """``data/<kind>/<dataset>/<learner>/<variant>``."""
        return Path("data") / kind / self.dataset / self.learner / self.variant

    def files(self) -> dict[int, Path]:
        """The ONNX file of each training seed.

        Raises:
            RefusedError: If one is missing.
        """
        files = {k: self.folder("onnx") / f"seed-{k}.onnx" for k in self.seeds}
        for path in files.values():
            if not path.exists():
                raise RefusedError(
                    path,
                    "file",
                    "nothing",
                    "a file",
                    f"make it with: python -m tasks.export {self}",
                )
        return files

    def check(self, path: Path, seed: int, contract: Mapping[str, Any]) -> None:
        """Refuse a file that was exported as something else.

        Raises:
            RefusedError: If its contract names another dataset, learner, variant, seed.
        """
        stated = {
            "dataset.name": (contract["dataset"]["name"], self.dataset),
            "learner": (contract["learner"], self.learner),
            "variant": (contract["variant"], self.variant),
            "seed": (contract["seed"], seed),
        }
        for field, (found, expected) in stated.items():
            if found != expected:
                raise RefusedError(
                    path,
                    field,
                    found,
                    expected,
                    f"make it again with: python -m tasks.export {self}",
                )

    def __str__(self) -> str:
        """The arguments that name it."""
        return (
            f"--dataset {self.dataset} --learner {self.learner} "
            f"--variant {self.variant}"
        )


def _arguments(
    params: Mapping[str, Any],
    doc: str,
    names: tuple[str, ...],
    argv: list[str] | None,
) -> dict[str, str]:
    """Options of a command line, each a name its study knows."""
    parser = argparse.ArgumentParser(description=doc.split("\n", maxsplit=1)[0])
    for name in names:
        parser.add_argument(f"--{name}", required=True)
    given = vars(parser.parse_args(argv))
    study = params.get("study") or {}
    for name in names:
        key = "policies" if name == "learner" else f"{name}s"
        known(given[name], study.get(key, ()), f"study.{key}")
    return given
