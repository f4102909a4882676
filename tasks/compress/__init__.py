"""Compress: a trained policy becomes one whose file is really smaller.

A method's file defines one :class:`Compressor`; what it makes is a policy of the same
kind, whose layers hold integers or are fewer, never floats that pretend.

docs/methods.md lists them. A list here would be code of every method, and a new method
would run all others again.

Chains are commands after each other: ``distill``, then ``int8_static`` on its result.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import nn

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.method import Method, P
from tasks.artifacts.params import OneOf, Params, Range
from tasks.compress.cores.rows import NO_WORLD, STATES, Rows, check_rows
from tasks.compress.engine.measures import layer_errors, parameters, stored_bytes
from tasks.nets.layers import Linear
from tasks.nets.network import Network
from tasks.nets.policy import Policy


@dataclass(frozen=True)
class CalibratedParams(Params):
    """Base of the parameters of every compressor that looks at data.

    Attributes:
        rows: Dataset rows it is calibrated on.
    """

    rows: Annotated[int, Range(32, 1_000_000)]


@dataclass(frozen=True)
class VisitingParams(CalibratedParams):
    """Base of the parameters of those that may be calibrated where the policy goes.

    Attributes:
        states: ``data``: rows of the dataset; ``visited``: states that the policy
            visits when it acts in the dataset's world, as many; ``both``: half of
            each, and rows alone where there is no world to play in.
    """

    states: Annotated[str, OneOf(STATES)]


@dataclass(frozen=True)
class Result:
    """What a method's ``work`` returns.

    Attributes:
        policy: The compressed policy.
        calibration: In words, what was calibrated on what; None if nothing was.
        reference: A float policy equal to the one compressed, layer by layer what the
            result stands for; None if the layers have no counterpart.
        course: How training went, a row a seed and epoch; None if nothing was trained
            or the method keeps no record.
        bits: Nominal bits a weight, where they are not those of the compressor.
    """

    policy: Network
    calibration: str | None
    reference: Network | None = None
    course: Sequence[Mapping[str, float]] | None = None
    bits: float | None = None


class Compressor(Method[P], ABC):
    """One compression method.

    Attributes:
        takes: Kinds of layers it can replace.
        policies: Kinds of policies it can take.
        shrinks: Whether a result that is no smaller is refused.
    """

    takes: ClassVar[tuple[type[nn.Module], ...]] = (Linear,)
    policies: ClassVar[tuple[type[Network], ...]] = (Policy,)
    shrinks: ClassVar[bool] = True

    @property
    def bits(self) -> float:
        """Nominal bits a weight of the result."""
        return 32

    @property
    def visits_world(self) -> bool:
        """Whether it uses ``Rows.world``."""
        return getattr(self.params, "states", "data") != "data"

    @abstractmethod
    def work(self, policy: Any, rows: Rows) -> Result:
        """The method itself, on a policy of ``policies`` and rows that fit it.

        Args:
            policy: All seeds stacked; it is left as it is.
            rows: What the method may look at, checked.
        """

    def compress(self, policy: Network, rows: Rows) -> tuple[Network, dict[str, Any]]:
        """Compress a policy.

        Args:
            policy: All seeds stacked; it is left as it is.
            rows: What the method may look at.

        Returns:
            The compressed policy, and the part of compression.json a method knows:
            ``mode`` (session mode its numbers belong to), ``bits_nominal``, ``layers``,
            ``parameters``, ``bytes_weights`` (a seed, as stored), both also with
            ``_before``, ``calibration``, and ``course`` where training kept one.

        Raises:
            RefusedError: If the policy is of a kind or has layers this method cannot
                take, the rows are empty, not finite or of another width, or the
                weights did not shrink.
        """
        self._check_policy(policy)
        if isinstance(self.params, CalibratedParams) and isinstance(policy, Policy):
            check_rows(policy, rows.observations)
        with torch.no_grad():
            if isinstance(self.params, VisitingParams):
                rows = rows.with_visits(policy, self.params.states)
            result = self.work(policy, rows)
            report = self._report(policy, result, rows)
        before, after = report["bytes_weights_before"], report["bytes_weights"]
        if self.shrinks and after >= before:
            raise RefusedError(
                "policy.safetensors",
                "bytes of weights",
                f"{after} after {type(self).__name__}",
                f"fewer than the {before} before",
                "choose stronger parameters for it, or another compressor",
            )
        return result.policy.requires_grad_(requires_grad=False), report

    def _check_policy(self, policy: Network) -> None:
        """Refuse a policy or a layer of a kind this method cannot take."""
        name = type(self).__name__
        if not isinstance(policy, self.policies):
            known = ", ".join(cls.__name__ for cls in self.policies)
            raise RefusedError(
                "policy.json",
                "policy.class",
                type(policy).__name__,
                f"one {name} can take: {known}",
                "leave this compressor out of study.compressors, or the learner",
            )
        if self.shrinks and not policy.linears():
            raise RefusedError(
                "policy.json",
                "policy.class",
                f"{type(policy).__name__}, in which there is nothing to compress",
                "a policy with layers",
                "leave float32 alone in study.compressors, or the learner out",
            )
        for at, layer in policy.linears().items():
            if not isinstance(layer, self.takes):
                names = ", ".join(cls.__name__ for cls in self.takes)
                raise RefusedError(
                    "policy.json",
                    f"policy.layers[{at.removeprefix('layers.')}]",
                    type(layer).__name__,
                    f"a layer {name} can take: {names}",
                    "run it on the float32, structured or distilled policy",
                )

    def _states(self, rows: Rows) -> str:
        """In words, where it was calibrated beside the dataset."""
        states = getattr(self.params, "states", "data")
        if rows.visited is not None:
            some = "half of them" if states == "both" else "all of them"
            return f"; {some} visited by the policy itself"
        alone = isinstance(self.params, VisitingParams) and states == "both"
        return NO_WORLD if alone else ""

    def _report(self, policy: Network, result: Result, rows: Rows) -> dict[str, Any]:
        """What compression.json says of the result."""
        compressed: dict[str, Any] = result.policy.linears()
        errors: Mapping[str, list[float] | None] = dict.fromkeys(compressed)
        if result.reference is not None:
            situation = rows.situation(result.policy)
            errors = layer_errors(result.reference, result.policy, situation)
        layers = [
            {
                "name": name.replace("layers.", "layer"),
                "kind": type(layer).__name__,
                "shape": [layer.inputs, layer.outputs],
                "bits": (bits := getattr(layer, "bits", 32)),
                "bits_stored": getattr(layer, "bits_stored", bits),
                "bytes": stored_bytes(layer) // policy.seeds,
                "error": errors[name],
            }
            for name, layer in compressed.items()
        ]
        integer = any(getattr(x, "integer_kernel", False) for x in compressed.values())
        calibration = result.calibration and {
            "dataset": rows.dataset,
            "sha256": rows.sha256,
            "rows": rows.count,
            "what": result.calibration + self._states(rows),
        }
        return {
            "mode": "native" if integer else "exact",
            "bits_nominal": result.bits or self.bits,
            "layers": layers,
            "parameters": parameters(result.policy),
            "parameters_before": parameters(policy),
            "bytes_weights": stored_bytes(result.policy) // policy.seeds,
            "bytes_weights_before": stored_bytes(policy) // policy.seeds,
            "calibration": calibration,
            **({} if result.course is None else {"course": list(result.course)}),
        }
