"""QuEST: weights and activations of 1 to 8 bits, trained with them in place.

Panferov et al. 2025 (arXiv 2502.05003), official code github.com/IST-DASLab/QuEST. Of a
layer with inputs x and weights W, H a Hadamard matrix a block, n = 2^b levels and a_b
the half range that suits b bits best (tasks/nets/quest.py has the numbers, the
exception of one bit and the baselines):

    y      = x H,   c = a_b sqrt(mean(y^2)),   D = 2 c / (n - 1)           a row
    y_hat  = D (round(clamp(y, -c, c) / D + (n - 1)/2) - (n - 1)/2),   W_hat of W alike
    output = y_hat W_hat^T + bias
    dL/dx  = (1[|y_hat - y| <= D / 2] dL/dy_hat) H^T                       trust mask

From the float policy's weights a policy of such layers learns its actions on dataset
rows, L = mean (student - policy)^2, by Adam with a rate that falls to 0; a transformer
all actions of each window. Nothing is learned about the grid itself, and bits do not
come down step by step.

The paper trains language models from nothing, with AdamW, warm-up and no teacher;
``tasks/beds/quest`` does so. Rounding a trained policy without training it is
something else, and refused.

All layers but those at the edges have ``bits``; at the edges, where observations and
logged actions come in and actions go out, ``edge_bits``: the first and last layer of a
feed-forward policy, of a transformer the embeddings and the head. The paper keeps
embeddings and head in float, which here would let torch and onnxruntime differ where
the next layer rounds. Normalisation, the embeddings of time and return, attention and
biases stay float. The block is the largest power of two that divides a layer's inputs,
from 16 to ``block``; 11 observations are filled up to 16 with zeros.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import torch
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, Range
from tasks.compress import CalibratedParams, Compressor, Result
from tasks.compress.cores.regression import Fit
from tasks.compress.cores.rows import Rows
from tasks.compress.cores.students import readout, rebuild
from tasks.nets.feedforward import Feedforward
from tasks.nets.policy import Logged, Policy
from tasks.nets.quest import HALF_RANGE, SMALLEST, Quest, block_of, padded
from tasks.nets.quest_packed import packed
from tasks.nets.transformer import DecisionTransformer

PART = 128  # windows the teacher answers at once


@dataclass(frozen=True)
class QuestParams(CalibratedParams):
    """Parameters of ``quest``; units stand in params/compress/quest.yaml."""

    bits: Annotated[float, Range(1, 8)]
    edge_bits: Annotated[float, Range(1, 8)]
    block: Annotated[int, Range(SMALLEST, 4096)]
    hadamard: bool
    trust: bool
    steps: Annotated[int, Range(0, 1_000_000)]
    batch: Annotated[int, Range(1, 65_536)]
    rate: Annotated[float, Range(0, 1, open=True)]

    def __post_init__(self) -> None:
        """Also refuse bits and blocks that do not exist, and no training."""
        super().__post_init__()
        known = ", ".join(map(str, HALF_RANGE))
        for name in ("bits", "edge_bits"):
            if (value := getattr(self, name)) not in HALF_RANGE:
                raise RefusedError(PARAMS, name, value, known, f"change {name}")
        if self.block & (self.block - 1):
            raise RefusedError(
                PARAMS, "block", self.block, "a power of two >= 16", "change block"
            )
        if self.steps == 0:
            raise RefusedError(
                *(PARAMS, "steps", 0, "at least 1: QuEST is training at few bits"),
                "take int8_static or gptq4 to round without training",
            )


class QuestCompressor(Compressor[QuestParams]):
    """Quantisation-aware training of all seeds in one stack."""

    policies = (Feedforward, DecisionTransformer)

    @property
    def bits(self) -> float:
        """Bits of weights and activations between the edges."""
        return self.params.bits

    def work(self, policy: Policy, rows: Rows) -> Result:
        """Replace the layers, train, pack."""
        p = self.params
        check_activation(policy)
        layers = self._layers(policy)
        if isinstance(policy, Feedforward):
            student, task = of_feedforward(policy, layers, rows.observations)
            batch = p.batch
        elif isinstance(policy, DecisionTransformer) and rows.logged is not None:
            student, task = of_transformer(policy, layers, rows.logged)
            batch = max(1, p.batch // policy.context)
        else:  # the command hands windows to every policy with a memory
            raise TypeError("a transformer without windows of what was logged")
        sigma = {name: layer.sigma() for name, layer in layers.items()}
        fit = Fit(
            *(task.answer, student, rows.seeds, "quest", p.steps, batch, p.rate),
            broken=partial(check_scales, layers, sigma),
        )
        fit.run(task.inputs, task.targets, p.steps)
        student.replace_linears({name: packed(x) for name, x in layers.items()})
        return Result(student, self._summary(layers))

    def _layers(self, policy: Policy) -> dict[str, Quest]:
        """Trainable layers of few bits with the float ones' weights."""
        p, layers = self.params, {}
        floats: dict[str, Any] = policy.linears()
        edges = edges_of(policy)
        for name, linear in floats.items():
            bits = p.edge_bits if name in edges else p.bits
            block = block_of(linear.inputs, p.block) if p.hadamard else 1
            size = (linear.stack, linear.inputs, linear.outputs)
            layer = layers[name] = Quest(*size, bits, block, trust=p.trust)
            layer.weight.copy_(linear.weight)
            layer.get_parameter("bias").copy_(linear.bias)
        return layers

    def _summary(self, layers: Mapping[str, Quest]) -> str:
        """In words: what was learned, and which layers were filled up."""
        summary = f"the policy's own actions, {self.params.steps} updates"
        for name, layer in layers.items():
            width = padded(layer.inputs, max(layer.block, SMALLEST))
            if width > layer.inputs:
                summary += f"; {name}: {layer.inputs} inputs filled up to {width}"
        return summary


@dataclass(frozen=True)
class Task:
    """What a student learns.

    Attributes:
        answer: Of the student, from some rows of ``inputs``.
        inputs: (S, N, ...) each.
        targets: (S, N, ...).
    """

    answer: Callable[..., Tensor]
    inputs: Sequence[Tensor]
    targets: Tensor


def check_activation(policy: Policy) -> None:
    """Refuse tanh between layers.

    It differs by 1e-7 between torch and onnxruntime, and so would codes near a border.

    Raises:
        RefusedError: If the policy's layers have tanh between them.
    """
    if isinstance(policy, Feedforward) and policy.activation != "relu":
        raise RefusedError(
            "policy.json",
            "policy.activation",
            policy.activation,
            "relu, which torch and onnxruntime compute alike to the last bit",
            "leave quest out of study.compressors, or run it on the distilled policy",
        )


def edges_of(policy: Policy) -> set[str]:
    """Names of the layers that read observations and logged actions or give actions."""
    names = list(policy.linears())
    if isinstance(policy, DecisionTransformer):
        return {name for name in names if not name.startswith("blocks.")}
    return {names[0], names[-1]}


def of_feedforward(
    policy: Feedforward, layers: Mapping[str, Quest], observations: Tensor
) -> tuple[Policy, Task]:
    """A feed-forward student, and what it learns.

    Args:
        policy: The float policy.
        layers: The student's, by name, with the policy's weights.
        observations: (N, O), units of the world.

    Returns:
        The student, and the policy's own actions on the rows as its targets.
    """
    student = rebuild(policy, list(layers.values()))
    x = policy.normalise(observations.expand(policy.seeds, -1, -1))
    return student, Task(partial(readout, student), [x], readout(policy, x))


def of_transformer(
    policy: DecisionTransformer, layers: Mapping[str, Quest], logged: Logged
) -> tuple[Policy, Task]:
    """A transformer student, and what it learns.

    Args:
        policy: The float policy.
        layers: The student's, by name, with the policy's weights.
        logged: N windows of what was logged.

    Returns:
        The student, and the policy's own actions at each step as its targets.
    """
    student = DecisionTransformer.from_spec({**policy.spec(), "double": True})
    student.load_state_dict(policy.state_dict())
    student.replace_linears(layers)

    def answer(of: DecisionTransformer, *inputs: Tensor) -> Tensor:
        returns, observation, action, time, known = inputs
        return of.predict(returns, observation, action, time) * known

    inputs = [
        x.expand(policy.seeds, *[-1] * x.ndim) for x in from_the_left(policy, logged)
    ]
    parts = zip(*(torch.split(x, PART, dim=1) for x in inputs), strict=True)
    targets = torch.cat([answer(policy, *part) for part in parts], dim=1)
    return student, Task(partial(answer, student), inputs, targets)


def from_the_left(policy: DecisionTransformer, logged: Logged) -> list[Tensor]:
    """Windows as ``predict`` takes them, without the axis [S].

    Returns:
        Returns-to-go, observations, actions, numbers of the steps; and 1.0 where there
        is a step, (N, K, 1): windows that begin with their episode end early.
    """
    places = torch.arange(policy.context)  # (K,)
    missing = (policy.memory - logged.time.long()).clamp(min=0)[:, None]  # (N, 1)
    at = places + missing  # where the step of each place was logged
    known = (at < policy.context).float()[..., None]
    at = at.clamp(max=policy.memory)[..., None]
    time = logged.time.long()[:, None] - policy.memory + at[..., 0]
    actions = (logged.action - policy.action_offset) / policy.action_unit
    return [
        (logged.to_go[..., None] * policy.return_scale).take_along_dim(at, 1),
        policy.normalise(logged.observation).take_along_dim(at, 1),
        actions.take_along_dim(at, 1),
        time.clamp(max=policy.embed_time.count - 1),
        known,
    ]


def check_scales(
    layers: Mapping[str, Quest], before: Mapping[str, Tensor], done: int
) -> None:
    """Refuse weights whose scale is gone.

    Args:
        layers: By name.
        before: Their ``sigma`` before training.
        done: Updates so far.

    Raises:
        RefusedError: If one is not finite, or zero and was not; names the layer.
    """
    for name, layer in layers.items():
        sigma = layer.sigma()
        lost = ~torch.isfinite(sigma) | ((sigma == 0) & (before[name] > 0))
        if bool(lost.any()):
            raise RefusedError(
                "compress.quest",
                f"{name}.weight",
                f"sigma {float(sigma[lost][0]):g} after {done} updates",
                "a finite number above 0",
                "lower compress.quest.rate",
            )
