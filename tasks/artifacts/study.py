"""The block ``study`` of params.yaml: its name, its lists, how much it trains."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, make_dataclass
from typing import Annotated, Any, Self, get_type_hints

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, Distinct, OneOf, Params, Range, check_mapping

Names = Annotated[tuple[str, ...], Distinct()]
Some = Annotated[tuple[str, ...], Distinct(1)]  # none would leave nothing to report


@dataclass(frozen=True)
class Effort(Params):
    """What a study says of training; params/study/ has units and ranges."""

    seeds: Annotated[tuple[int, ...], Range(0, 2**31 - 1), Distinct(1)]
    updates: Annotated[int, Range(1, 10**9)]
    batch: Annotated[int, Range(1, 2**20)]
    snapshots: Annotated[int, Range(0, 10**4)]
    precision: Annotated[str, OneOf(("float32", "bfloat16"))]
    processes: Annotated[int, Range(1, 1024)]
    device: Annotated[str, OneOf(("cpu", "cuda"))]

    def __post_init__(self) -> None:
        """Also refuse more snapshots than updates, and a GPU shared by processes."""
        super().__post_init__()
        if self.device != "cpu" and self.processes > 1:
            expected = f"1 where study.device is {self.device}: the stack lies there"
            mend = "set study.processes to 1"
            raise RefusedError(PARAMS, "processes", self.processes, expected, mend)
        if self.snapshots > self.updates:
            raise RefusedError(
                PARAMS,
                "snapshots",
                self.snapshots,
                f"at most one an update, {self.updates}",
                "lower snapshots",
            )

    @classmethod
    def of(cls, study: Mapping[str, Any]) -> Self:
        """From the block ``study``, which also says what is not of training."""
        check_mapping(study, "study")
        named = [field.name for field in fields(cls)]
        return cls.parse({key: study[key] for key in named if key in study}, "study")

    def check_device(self) -> None:
        """Refuse a device that this machine has not.

        Raises:
            RefusedError: If torch sees no GPU where one is asked for.
        """
        if self.device == "cpu":
            return
        import torch  # seconds, which a study on the processor does not need here

        if not torch.cuda.is_available():
            raise RefusedError(
                PARAMS,
                "study.device",
                f"{self.device}, and torch {torch.__version__} sees no GPU",
                "a GPU with its driver, and a build of torch for it",
                "set study.device to cpu",
            )

    @property
    def moments(self) -> list[int]:
        """Updates done at each snapshot: evenly spaced, the last at the end."""
        n = self.snapshots
        return [self.updates * (i + 1) // n for i in range(n)]


@dataclass(frozen=True)
class Sampled(Params):
    """Diffusion policies by other samplers, each of so many network calls."""

    policies: Names
    variants: Names
    samplers: Names
    steps: Annotated[tuple[int, ...], Range(1, 1000), Distinct()]


@dataclass(frozen=True)
class Weighted(Params):
    """Learners that draw their batches by a weighting."""

    learners: Names
    weightings: Names


@dataclass(frozen=True)
class Tuned(Params):
    """Online learners that begin from a policy."""

    learners: Names
    policies: Names


@dataclass(frozen=True)
class Chains(Params):
    """Compressors, and others that run on what each of them left."""

    first: Names
    then: Names


@dataclass(frozen=True)
class Study(Effort):
    """Everything a study says of itself; its lists are what the graph is made of."""

    name: str
    title: str
    datasets: Some
    played: Names
    predicted: Names
    metrics: Names
    learners: Names
    learned: Names
    steps: Annotated[int, Range(0, 10**9)]
    adopted: Names
    policies: Some
    curves: Names
    compressors: Some
    chains: Chains
    variants: Some
    estimators: Names
    sampled: Sampled
    weighted: Weighted
    tuned: Tuned
    measured: Names
    gate: str
    undertrained: bool


def stated(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The block ``study`` for a stage that reads a part of it.

    Args:
        params: The composed parameters.

    Returns:
        The block; nothing where there is none. Of what :class:`Study` has, each key
        that is there was checked.

    Raises:
        RefusedError: If it is no mapping, or a value has a wrong type or range.
    """
    block = params.get("study") or {}
    check_mapping(block, "study")
    hints = get_type_hints(Study, include_extras=True)
    present = {name: block[name] for name in hints if name in block}
    typed = [(name, hints[name]) for name in present]
    kind: type[Params] = make_dataclass("Stated", typed, bases=(Params,), frozen=True)
    kind.parse(present, "study")
    return block


def check_steps(steps: int, block: Mapping[str, Any], name: str) -> None:
    """Refuse a study in which an online learner would never learn.

    Args:
        steps: Of the study.
        block: Of the learner.
        name: Of the learner.
    """
    least = block.get("warm_up", 0)  # a learner of tables has none
    if steps <= least:
        expected = f"more than learn.{name}.warm_up, {least}"
        raise RefusedError(PARAMS, "study.steps", steps, expected, "raise study.steps")
    rate = block.get("updates_per_step", 1.0)
    if (steps - least) * rate < 1 and not block.get("updates_per_episode"):
        field, expected = f"learn.{name}.updates_per_step", "an update in all steps"
        found = f"{rate}, none in the {steps - least} steps after the warm-up"
        raise RefusedError(PARAMS, field, found, expected, "raise it or study.steps")
