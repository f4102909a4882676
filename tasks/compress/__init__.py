"""Compress: a trained policy becomes one whose file is really smaller.

A method's file defines one :class:`Compressor`; what it makes is a policy of the same
kind, whose layers hold integers or are fewer, never floats that pretend.

| compressor | takes | gives | calibrated on |
|---|---|---|---|
| ``float32`` | any | the same | nothing |
| ``int8_static`` | float layers | Int8Linear, or BlockLinear | dataset rows |
| ``gptq4`` | float layers | BlockLinear | dataset rows |
| ``structured`` | float layers, ``Feedforward`` | narrower ones | dataset rows |
| ``distill`` | ``Feedforward`` | a smaller float network | rows, visited states |
| ``adadfq`` | ``ResNet`` | CodedResNet | nothing: it makes its own pictures |
| ``quest`` | float layers, two policies | QuestLinear | dataset rows |
| ``ptq4dm`` | ``DiffusionPolicy`` | IntegerLinear | rows, states of its own chain |

Chains are commands after each other: ``distill``, then ``int8_static`` on its result.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import Params, Range
from tasks.artifacts.seeding import generator
from tasks.compress.cores.slices import Situation, layer_inputs
from tasks.nets.integer import IntegerLinear
from tasks.nets.layers import Linear
from tasks.nets.policy import Logged, Policy, stacked
from tasks.nets.quantised import Int8Linear
from tasks.nets.quest_packed import QuestLinear
from tasks.worlds import World


@dataclass(frozen=True)
class CalibratedParams(Params):
    """Base of the parameters of every compressor that looks at data.

    Attributes:
        rows: Dataset rows it is calibrated on.
    """

    rows: Annotated[int, Range(32, 1_000_000)]


@dataclass(frozen=True)
class Rows:
    """What a compressor may look at.

    Attributes:
        observations: (N, O), float32, units of the world; rows of the dataset.
        dataset: The dataset's name.
        sha256: Of the dataset's data.
        seeds: The policy's seed numbers, one a slice. All randomness depends on them
            slice by slice, so seed k alone gives what it gives in a stack.
        world: Where a compressor may visit states; None: it keeps to the rows.
        logged: The same rows with what was before them, where the policy has a memory.
        legal: (N, A), 1.0 where an action is allowed; None allows all.
    """

    observations: Tensor
    dataset: str
    sha256: str
    seeds: tuple[int, ...]
    world: World | None = None
    logged: Logged | None = None
    legal: Tensor | None = None

    def situation(self, policy: Policy) -> Situation:
        """Inputs and carry of the policy's step on these rows, without the axis [S].

        A policy that is played with noise gets the same noise each time.
        """
        if self.logged is not None:
            return policy.recall(self.logged)
        given = {"observation": self.observations}
        if "legal" in policy.inputs():
            shape = (len(self.observations), policy.action_width)
            given["legal"] = torch.ones(shape) if self.legal is None else self.legal
        if policy.acting == "normal":
            wide = (len(self.observations), policy.inputs()["noise"])
            given["noise"] = torch.randn(wide, generator=generator(0, "rows' noise"))
        return given, {}


@dataclass(frozen=True)
class Result:
    """What a method's ``work`` returns.

    Attributes:
        policy: The compressed policy.
        calibration: In words, what was calibrated on what; None if nothing was.
        reference: A float policy equal to the one compressed, layer by layer what the
            result stands for; None if the layers have no counterpart.
        course: How training went, a row a seed and epoch; None if nothing was told.
    """

    policy: Policy
    calibration: str | None
    reference: Policy | None = None
    course: Sequence[Mapping[str, float]] | None = None


class Compressor(ABC):
    """One compression method.

    Args:
        params: The method's parameters.
    """

    Parameters: ClassVar[type[Params]]
    bits: float = 32  # nominal bits a weight of the result
    roams: ClassVar[bool] = False  # uses Rows.world
    takes: ClassVar[tuple[type[nn.Module], ...]] = (Linear,)
    policies: ClassVar[tuple[type[Policy], ...]] = (Policy,)
    shrinks: ClassVar[bool] = True  # a result that is no smaller is refused

    def __init__(self, params: Params) -> None:
        self.params = params

    @abstractmethod
    def work(self, policy: Any, rows: Rows) -> Result:
        """The method itself, on a policy of ``policies`` and rows that fit it."""

    def compress(self, policy: Policy, rows: Rows) -> tuple[Policy, dict[str, Any]]:
        """Compress a policy.

        Args:
            policy: All seeds stacked; it is left as it is.
            rows: See :class:`Rows`.

        Returns:
            The compressed policy, and the part of compression.json a method knows:
            ``mode`` (session mode its numbers belong to), ``bits_nominal``, ``layers``,
            ``parameters``, ``bytes_weights`` (a seed, as stored), both also with
            ``_before``, ``calibration``, and ``course`` where training told one.

        Raises:
            RefusedError: If the policy is of a kind or has layers this method cannot
                take, the rows are empty, not finite or of another width, or the
                weights did not shrink.
        """
        self._check_policy(policy)
        if isinstance(self.params, CalibratedParams):
            check_rows(policy, rows.observations)
        with torch.no_grad():
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

    def _check_policy(self, policy: Policy) -> None:
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

    def _report(self, policy: Policy, result: Result, rows: Rows) -> dict[str, Any]:
        made: dict[str, Any] = result.policy.linears()
        errors: Mapping[str, list[float] | None] = dict.fromkeys(made)
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
            for name, layer in made.items()
        ]
        kinds = (Int8Linear, IntegerLinear, QuestLinear)
        integer = any(isinstance(x, kinds) for x in made.values())
        calibration = result.calibration and {
            "dataset": rows.dataset,
            "sha256": rows.sha256,
            "rows": len(rows.observations),
            "what": result.calibration,
        }
        return {
            "mode": "native" if integer else "exact",
            "bits_nominal": self.bits,
            "layers": layers,
            "parameters": parameters(result.policy),
            "parameters_before": parameters(policy),
            "bytes_weights": stored_bytes(result.policy) // policy.seeds,
            "bytes_weights_before": stored_bytes(policy) // policy.seeds,
            "calibration": calibration,
            **({} if result.course is None else {"course": list(result.course)}),
        }


def check_rows(policy: Policy, observations: Tensor) -> None:
    """Refuse calibration rows that are empty, not finite or of another width."""
    where, mend = "calibration rows", "make the dataset again with: dvc repro"
    width = policy.observation_width
    if observations.ndim != 2 or observations.shape[1] != width:
        shape = tuple(observations.shape)
        raise RefusedError(where, "shape", shape, f"(rows, {width})", mend)
    if len(observations) == 0:
        raise RefusedError(where, "rows", 0, "at least one", mend)
    bad = int((~torch.isfinite(observations)).any(1).sum())
    if bad:
        raise RefusedError(
            where, "values", f"NaN or infinity in {bad} rows", "finite numbers", mend
        )


def layer_errors(
    reference: Policy, policy: Policy, situation: Situation
) -> dict[str, list[float]]:
    """Relative output error of each layer, a seed: ||y - y_ref|| / ||y_ref||.

    Both layers get the input the compressed network itself gives its layer.
    """
    exact, errors = reference.linears(), {}
    seen = layer_inputs(policy, situation)
    for name, layer in policy.linears().items():
        x = seen[name].float()  # already, unless the policy computes in float64
        y, wanted = layer(x), exact[name](x)  # (S, rows, N)
        size = wanted.flatten(1).norm(dim=1).clamp(min=1e-30)
        errors[name] = ((y - wanted).flatten(1).norm(dim=1) / size).tolist()
    return errors


def stored_bytes(module: nn.Module) -> int:
    """Bytes of a layer's tensors, all seeds, as policy.safetensors stores them.

    Of a policy its layers' alone: statistics and bounds are not weights.
    """
    return sum(
        t.numel() * t.element_size()
        for name, t in module.state_dict().items()
        if stacked(name) or not isinstance(module, Policy)
    )


def parameters(policy: Policy) -> int:
    """Weights and biases of one seed, whatever their storage."""
    layers: dict[str, Any] = policy.linears()
    others = sum(
        p.numel() // policy.seeds
        for name, p in policy.named_parameters()
        if name.rpartition(".")[0] not in layers
    )
    return others + sum(x.inputs * x.outputs + x.outputs for x in layers.values())
