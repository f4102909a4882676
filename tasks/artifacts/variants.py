"""A variant of a policy: its name on a command line, and the files of its seeds."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.names import add_name
from tasks.artifacts.params import check_known
from tasks.artifacts.strict_json import parse_json
from tasks.artifacts.study import stated

PARENT = "float32"  # the variant that all others are made from, and judged against


def sampled(study: Mapping[str, Any], learner: str) -> dict[str, tuple[str, str, int]]:
    """The variants of a policy that are another variant with a faster sampler.

    Args:
        study: The block ``study``; ``sampled`` may be missing.
        learner: The learner of one of its policies.

    Returns:
        (variant, sampler, calls of the network) by name,
        ``<variant>-<sampler>-<calls>``; empty if the policy is not sampled.
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
    """What ``--dataset``, ``--learner`` and ``--variant`` name: files of one policy.

    Attributes:
        dataset: A dataset of the study.
        learner: A policy of the study, by its learner.
        variant: A compressor, a chain ``first-then``, or one of these with a sampler,
            ``<variant>-<sampler>-<calls>``.
        seeds: The study's training seeds, one file each.
        source: Of one with a sampler the variant it is made of, the sampler, and how
            often that calls the network; else None.
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
        """Read a variant from a command line.

        Args:
            params: The composed parameters.
            doc: The command's docstring, for ``--help``.
            argv: Arguments; the process's own if None.
            making: Whether the command makes the variant: one with a sampler is then
                named by ``--variant``, ``--sampler`` and ``--steps``.

        Raises:
            RefusedError: If the study has no such name; names the nearest one.
        """
        names = ("dataset", "learner", "variant")
        parts = ("sampler", "steps") if making else ()
        options = _arguments(doc, names, argv, parts)
        sampler = [options.pop(part) for part in parts if part in options]
        if sampler:
            options["variant"] = "-".join([options["variant"], *sampler])
        study = stated(params)
        _check_names(study, options, bare=making and not sampler)
        source = sampled(study, options["learner"]).get(options["variant"])
        return cls(**options, seeds=tuple(study.get("seeds", ())), source=source)

    @classmethod
    def parse_all(
        cls, params: Mapping[str, Any], doc: str, argv: list[str] | None = None
    ) -> list[Self]:
        """Read from a command line a dataset and a learner, and give all variants.

        Args:
            params: The composed parameters.
            doc: The command's docstring, for ``--help``.
            argv: Arguments; the process's own if None.

        Raises:
            RefusedError: If the study has no such name; names the nearest one.
        """
        options = _arguments(doc, ("dataset", "learner"), argv)
        study = stated(params)
        _check_names(study, options)
        seeds = tuple(study.get("seeds", ()))
        more = sampled(study, options["learner"])
        return [
            cls(**options, variant=v, seeds=seeds, source=more.get(v))
            for v in (*study.get("variants", ()), *more)
        ]

    @property
    def parent(self) -> "Variant":
        """The variant it is made of, if it has a sampler of its own; else itself."""
        if self.source is None:
            return self
        return replace(self, variant=self.source[0], source=None)

    @property
    def float32(self) -> "Variant | None":
        """What it is a smaller form of; None of itself, and of one with a sampler."""
        if self.source is not None or self.variant == PARENT:
            return None
        return replace(self, variant=PARENT)

    def folder(self, kind: str) -> Path:
        """The folder ``data/<kind>/<dataset>/<learner>/<variant>``."""
        return Path("data") / kind / self.dataset / self.learner / self.variant

    def kind(self) -> str:
        """What its files are, as the first one's contract says; unsaid: a policy.

        A file that cannot be read is refused by whoever opens it.
        """
        path = self.folder("onnx") / f"seed-{self.seeds[0]}.json"
        try:
            contract = parse_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return "policy"
        kind = contract.get("kind") if isinstance(contract, dict) else None
        return "policy" if kind is None else str(kind)

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
        """Refuse an ONNX file that was exported as something else.

        Args:
            path: The file, for errors.
            seed: The training seed it should be of.
            contract: What the file says of itself.

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
        """The arguments of the command that makes it."""
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
    """Parse the options of a command line.

    Args:
        doc: The command's docstring; its first line is shown.
        names: Options that have to be there.
        argv: Arguments; the process's own if None.
        parts: Options that are there all or not at all.
    """
    parser = argparse.ArgumentParser(description=doc.split("\n", maxsplit=1)[0])
    for name in (*names, *parts):
        add_name(parser, f"--{name}", required=name in names)
    options = vars(parser.parse_args(argv))
    missing = [name for name in parts if options[name] is None]
    if missing and len(missing) < len(parts):
        parser.error(f"--{missing[0]} is missing")
    return {name: value for name, value in options.items() if value is not None}


def _check_names(
    study: Mapping[str, Any], options: Mapping[str, str], *, bare: bool = False
) -> None:
    """Refuse names the study does not know.

    Args:
        study: The block ``study``.
        options: The names: ``dataset``, ``learner`` and perhaps ``variant``.
        bare: Whether the variant has to be one without a sampler of its own.
    """
    for name, value in options.items():
        key = "policies" if name == "learner" else f"{name}s"
        names = [*study.get(key, ())]
        if name == "variant" and not bare:
            names += sampled(study, options["learner"])
        check_known(value, names, f"study.{key}")
