"""Compress: a trained policy becomes one whose file is really smaller.

A method's file defines one :class:`Compressor`; what it makes is a policy of the same
kind, whose layers hold integers or are fewer, never floats that pretend.

| compressor | takes | gives | calibrated on |
|---|---|---|---|
| ``float32`` | any | the same | nothing |
| ``int8_static`` | float layers | Int8Linear | dataset rows |
| ``gptq4`` | float layers | BlockLinear | dataset rows |
| ``structured`` | float layers | narrower float layers | dataset rows |
| ``distill`` | any | a smaller float network | dataset rows, visited states |

Chains are commands after each other: ``distill``, then ``int8_static`` on its result.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import Params, Range
from tasks.nets.feedforward import Feedforward
from tasks.nets.layers import Linear
from tasks.nets.quantised import Int8Linear
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
    """

    observations: Tensor
    dataset: str
    sha256: str
    seeds: tuple[int, ...]
    world: World | None = None


@dataclass(frozen=True)
class Result:
    """What a method's ``work`` returns.

    Attributes:
        policy: The compressed policy.
        calibration: In words, what was calibrated on what; None if nothing was.
        reference: A float policy equal to the one compressed, layer by layer what the
            result stands for; None if the layers have no counterpart.
    """

    policy: Feedforward
    calibration: str | None
    reference: Feedforward | None = None


class Compressor(ABC):
    """One compression method.

    Args:
        params: The method's parameters.
    """

    Parameters: ClassVar[type[Params]]
    bits: ClassVar[int] = 32  # nominal bits a weight of the result
    roams: ClassVar[bool] = False  # uses Rows.world
    takes: ClassVar[tuple[type[nn.Module], ...]] = (Linear,)
    shrinks: ClassVar[bool] = True  # a result that is no smaller is refused

    def __init__(self, params: Params) -> None:
        self.params = params

    @abstractmethod
    def work(self, policy: Feedforward, rows: Rows) -> Result:
        """The method itself, on input that has been checked."""

    def compress(
        self, policy: Feedforward, rows: Rows
    ) -> tuple[Feedforward, dict[str, Any]]:
        """Compress a policy.

        Args:
            policy: All seeds stacked; it is left as it is.
            rows: See :class:`Rows`.

        Returns:
            The compressed policy, and the part of compression.json a method knows:
            ``mode`` (session mode its numbers belong to), ``bits_nominal``, ``layers``,
            ``parameters``, ``bytes_weights`` (a seed, as stored), both also with
            ``_before``, and ``calibration``.

        Raises:
            RefusedError: If the policy has layers this method cannot take, the rows
                are empty, not finite or of another width, or the weights did not
                shrink.
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

    def _check_policy(self, policy: Feedforward) -> None:
        for i, layer in enumerate(policy.layers):
            if not isinstance(layer, self.takes):
                names = ", ".join(cls.__name__ for cls in self.takes)
                raise RefusedError(
                    "policy.json",
                    f"policy.layers[{i}]",
                    type(layer).__name__,
                    f"a layer {type(self).__name__} can take: {names}",
                    "run it on the float32, structured or distilled policy",
                )

    def _report(
        self, policy: Feedforward, result: Result, rows: Rows
    ) -> dict[str, Any]:
        errors: Sequence[list[float] | None] = [None] * len(result.policy.layers)
        if result.reference is not None:
            errors = layer_errors(result.reference, result.policy, rows.observations)
        layers = [
            {
                "name": f"layer{i}",
                "kind": type(layer).__name__,
                "shape": [layer.inputs, layer.outputs],
                "bits": getattr(layer, "bits", 32),
                "bytes": stored_bytes(layer) // policy.seeds,
                "error": error,
            }
            for i, (layer, error) in enumerate(
                zip(result.policy.layers, errors, strict=True)
            )
        ]
        integer = any(isinstance(x, Int8Linear) for x in result.policy.layers)
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
            "bytes_weights": stored_bytes(result.policy.layers) // policy.seeds,
            "bytes_weights_before": stored_bytes(policy.layers) // policy.seeds,
            "calibration": calibration,
        }


def check_rows(policy: Feedforward, observations: Tensor) -> None:
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
    reference: Feedforward, policy: Feedforward, observations: Tensor
) -> list[list[float]]:
    """Relative output error of each layer, a seed: ||y - y_ref|| / ||y_ref||.

    Both layers get the input the compressed network itself gives its layer.
    """
    x = policy.normalise(observations.expand(policy.seeds, -1, -1))
    errors = []
    for exact, layer in zip(reference.layers, policy.layers, strict=True):
        y, wanted = layer(x), exact(x)  # (S, B, N)
        size = wanted.flatten(1).norm(dim=1).clamp(min=1e-30)
        errors.append(((y - wanted).flatten(1).norm(dim=1) / size).tolist())
        x = torch.relu(y)
    return errors


def stored_bytes(module: nn.Module) -> int:
    """Bytes of a module's tensors, all seeds, as policy.safetensors stores them."""
    return sum(t.numel() * t.element_size() for t in module.state_dict().values())


def parameters(policy: Feedforward) -> int:
    """Weights and biases of one seed, whatever their storage."""
    return sum(x.inputs * x.outputs + x.outputs for x in policy.layers)
