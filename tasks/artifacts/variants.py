"""One variant's files: named on a command line, checked before anything is read."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import check_known


def sampled(study: Mapping[str, Any], learner: str) -> dict[str, tuple[str, str, int]]:
    """Variants of a learner that are another one by a sampler of so many calls.

    Args:
        study: The block ``study``; ``sampled`` may be missing.
        learner: One of its policies.

    Returns:
        (variant, sampler, calls) by name, ``<variant>-<sampler>-<calls>``.
    """
    block = study.get("sampled") or {}
    if learner not in block.get("policies", ()):
        return {}
    return {
        f"{variant}-{sampler}-{calls}": (variant, sampler, calls)
        for variant in block["variants"]
        for sampler in block["samplers"]
        for calls in block["steps"]
    }


@dataclass(frozen=True)
class Variant:
    """What ``--dataset --learner --variant`` name.

    Attributes:
        dataset: A dataset of the study.
        learner: A policy of the study, by its learner.
        variant: A compressor, a chain ``first-then``, or one of them sampled, see
            :func:`sampled`.
        seeds: The study's training seeds, one file each.
        source: Where it is sampled: the variant it is made of, the sampler, its calls.
    """

    dataset: str
    learner: str
    variant: str
    seeds: tuple[int, ...]
    source: tuple[str, str, int] | None = None

    @classmethod
    def parse(
        cls,
        params: Mapping[str, Any],
        doc: str,
        argv: list[str] | None = None,
        *,
        making: bool = False,
    ) -> Self:
        """From a command line.

        Args:
            params: The composed parameters.
            doc: Of the command, for ``--help``.
            argv: Arguments; the process's own if None.
            making: A sampled one is told by ``--variant``, ``--sampler`` and
                ``--steps``, the parts of its name.

        Raises:
            RefusedError: If the study has no such name; names the nearest one.
        """
        names = ("dataset", "learner", "variant")
        parts = ("sampler", "steps") if making else ()
        given = _arguments(doc, names, argv, parts)
        told = [given.pop(part) for part in parts if part in given]
        if told:
            given["variant"] = "-".join([given["variant"], *told])
        study = params.get("study") or {}
        _check_names(study, given, bare=making and not told)
        source = sampled(study, given["learner"]).get(given["variant"])
        return cls(**given, seeds=tuple(study.get("seeds", ())), source=source)

    @classmethod
    def parse_all(
        cls, params: Mapping[str, Any], doc: str, argv: list[str] | None = None
    ) -> list[Self]:
        """All variants of the learner a command line names; see :meth:`parse`."""
        given = _arguments(doc, ("dataset", "learner"), argv)
        study = params.get("study") or {}
        _check_names(study, given)
        seeds = tuple(study.get("seeds", ()))
        more = sampled(study, given["learner"])
        return [
            cls(**given, variant=v, seeds=seeds, source=more.get(v))
            for v in (*study.get("variants", ()), *more)
        ]

    @property
    def parent(self) -> "Variant":
        """The variant it is made of, if it is a sampled one; else itself."""
        if self.source is None:
            return self
        return replace(self, variant=self.source[0], source=None)

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
        """The arguments that make it."""
        head = f"--dataset {self.dataset} --learner {self.learner} --variant "
        if self.source is None:
            return head + self.variant
        variant, sampler, calls = self.source
        return f"{head}{variant} --sampler {sampler} --steps {calls}"


def _arguments(
    doc: str,
    names: tuple[str, ...],
    argv: list[str] | None,
    parts: tuple[str, ...] = (),
) -> dict[str, str]:
    """Options of a command line; ``parts`` may be left out, all of them."""
    parser = argparse.ArgumentParser(description=doc.split("\n", maxsplit=1)[0])
    for name in (*names, *parts):
        parser.add_argument(f"--{name}", required=name in names)
    given = vars(parser.parse_args(argv))
    left = [name for name in parts if given[name] is None]
    if left and len(left) < len(parts):
        parser.error(f"--{left[0]} is missing")
    return {name: value for name, value in given.items() if value is not None}


def _check_names(
    study: Mapping[str, Any], given: Mapping[str, str], *, bare: bool = False
) -> None:
    """Refuse names the study does not know; ``bare``: of variants none is sampled."""
    for name, value in given.items():
        key = "policies" if name == "learner" else f"{name}s"
        names = [*study.get(key, ())]
        if name == "variant" and not bare:
            names += sampled(study, given["learner"])
        check_known(value, names, f"study.{key}")
