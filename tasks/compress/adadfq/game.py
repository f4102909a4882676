"""The game of AdaDFQ's two players for one seed.

G, the generator, makes pictures on which P, the float network, and Q, the quantised
one, disagree; Q learns to agree.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, OneOf, Params, Range
from tasks.artifacts.seeding import generator
from tasks.compress.adadfq.generator import LATENT, Generator
from tasks.compress.adadfq.losses import (
    Watch,
    agree_loss,
    agreement,
    balance_loss,
    distil_loss,
    margin_loss,
)
from tasks.compress.adadfq.student import Student
from tasks.nets.resnet import NormedConv, ResNet
from tasks.nets.resnet_base import through
from tasks.nets.resnet_coded import CodedResNet

MOMENTUM, DECAY, BETAS = 0.9, 1e-4, (0.5, 0.999)
MILESTONES, FALL = (0.25, 0.5, 0.75), 0.1  # shares of the epochs; rates x 0.1 at each
GDFQ_STATISTICS = 0.1  # GDFQ's weight of L_BNS
# called after each epoch with its number and its mean metrics
Record = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class AdaDFQParams(Params):
    """Parameters of ``adadfq``; units stand in params/compress/adadfq.yaml."""

    arm: Annotated[str, OneOf(("adadfq", "no_margin", "gdfq", "minmax"))]
    bits: Annotated[int, Range(2, 8)]
    epochs: Annotated[int, Range(1, 100_000)]
    iterations: Annotated[int, Range(1, 100_000)]
    batch: Annotated[int, Range(2, 65_536)]
    warm_up: Annotated[int, Range(1, 100_000)]
    width: Annotated[int, Range(2, 4096)]
    rate: Annotated[float, Range(0, 1, open=True)]
    generator_rate: Annotated[float, Range(0, 1, open=True)]
    lambda_low: Annotated[float, Range(0, 1)]
    lambda_high: Annotated[float, Range(0, 1)]
    apart: Annotated[float, Range(0, 1e9)]
    together: Annotated[float, Range(0, 1e9)]
    beta: Annotated[float, Range(0, 1e9)]
    gamma: Annotated[float, Range(0, 1e9)]
    temperature: Annotated[float, Range(0, 1e6, open=True)]

    def __post_init__(self) -> None:
        """Also refuse margins in the wrong order, and a warm-up that never ends."""
        super().__post_init__()
        if self.lambda_low >= self.lambda_high:
            raise RefusedError(
                PARAMS,
                "lambda_low",
                self.lambda_low,
                f"less than lambda_high, {self.lambda_high}",
                "lower lambda_low or raise lambda_high",
            )
        if self.warm_up >= self.epochs:
            raise RefusedError(
                PARAMS,
                "warm_up",
                self.warm_up,
                f"fewer than the {self.epochs} epochs",
                "lower warm_up or raise epochs",
            )


def check_teacher(policy: ResNet) -> None:
    """Refuse a network that no picture can be made for.

    Raises:
        RefusedError: If it chooses among fewer than two actions, its pictures' sides
            are no multiples of 4, or a running variance is not positive.
    """
    mend = "train another policy, or leave adadfq out of study.compressors"
    if policy.action_width < 2:
        classes = policy.action_width
        raise RefusedError("policy.json", "policy.action", classes, "2 or more", mend)
    rows, columns = policy.image[1:]
    if rows % 4 or columns % 4:
        sides = f"{rows} x {columns} pixels"
        expected = "sides that are multiples of 4, as the generator doubles twice"
        raise RefusedError("policy.json", "policy.image", sides, expected, mend)
    for name, layer in policy.units.items():
        if not isinstance(layer, NormedConv):
            continue
        good = layer.variance.isfinite() & (layer.variance > 0) & layer.mean.isfinite()
        bad = int((~good).sum())
        if bad:
            raise RefusedError(
                "policy.safetensors",
                f"units.{name}.variance",
                f"{bad} channels with statistics that are 0 or not finite",
                "running statistics of a trained network",
                "train it longer, or without units that are always silent",
            )


class Game:
    """G makes pictures, Q learns from P on them.

    Args:
        teacher: P, a stack of one.
        params: Of the method.
        seed: All chance depends on it.
        data: Nothing: what it may look at is P alone.

    Attributes:
        student: Q.
        steps: Updates of Q so far.

    Raises:
        RefusedError: If it is given data, or no picture can be made for P.
    """

    def __init__(
        self, teacher: ResNet, params: AdaDFQParams, seed: int, data: object = None
    ) -> None:
        if data is not None:
            raise RefusedError(
                "adadfq",
                "data",
                type(data).__name__,
                "nothing: data-free means data-free",
                "take qat or int8_static where data is at hand",
            )
        check_teacher(teacher)
        self.teacher, self.params = teacher, params
        self.student, self.steps = Student(teacher, params.bits), 0
        self.student.averaging = params.arm != "minmax"
        self.chance = generator(seed, "adadfq")
        weights = int(torch.randint(2**62, (), generator=self.chance))
        self.maker = Generator(
            teacher.action_width, teacher.image, params.width, weights
        )
        self.maker_step = Adam(
            self.maker.parameters(), lr=params.generator_rate, betas=BETAS
        )
        self.student_step = SGD(
            self.student.parameters(),
            lr=params.rate,
            momentum=MOMENTUM,
            weight_decay=DECAY,
            nesterov=True,
        )

    def run(self, record: Record = lambda *_: None) -> CodedResNet:
        """Play to the end; the last epoch's network in whole numbers.

        Raises:
            RefusedError: If a loss is not finite.
        """
        p = self.params
        if p.arm == "minmax":
            self.look()
            return self.student.coded()
        for epoch in range(p.epochs):
            self.student.settled = epoch >= p.warm_up
            fall = FALL ** sum(epoch >= share * p.epochs for share in MILESTONES)
            set_rate(self.student_step, p.rate * fall)
            set_rate(self.maker_step, p.generator_rate * fall)
            every = [self.iterate() for _ in range(p.iterations)]
            means = {k: sum(step[k] for step in every) / len(every) for k in every[0]}
            if not all(map(math.isfinite, means.values())):
                raise RefusedError(
                    "compress.adadfq",
                    "loss",
                    f"a number that is not finite in epoch {epoch}",
                    "finite numbers",
                    "lower rate in params/compress/adadfq.yaml",
                )
            record(epoch, means)
        return self.student.coded()

    def look(self) -> None:
        """Ranges of activations alone: the largest seen on pictures of pure noise."""
        shape = (self.params.batch, *self.teacher.image)
        with torch.no_grad():
            for _ in range(self.params.iterations):
                self.student.logits(torch.randn(shape, generator=self.chance))
        self.student.settled = True

    def iterate(self) -> dict[str, float]:
        """One step of G, and once ranges are settled one of Q, on the same pictures.

        Q is asked once: G's step changes neither the pictures nor Q, so that asking
        again, as the paper's loop is written, would give the same numbers.
        """
        picture, label = self.drawn()
        watch = Watch(self.teacher)
        teacher = through(len(self.teacher.widths), picture[None], watch)[0]
        student = self.student.logits(picture)
        metrics = self.teach_maker(teacher, student, label, watch)
        teacher = teacher.detach()
        loss = self.student_loss(teacher, student, label)
        if self.student.settled:
            descend(self.student_step, self.student.parameters(), loss)
            self.steps += 1
        same = (student.argmax(-1) == teacher.argmax(-1)).float().mean()
        return {**metrics, "student": float(loss.detach()), "same": float(same)}

    def drawn(self) -> tuple[Tensor, Tensor]:
        """Pictures (B, C, Y, X) of G and their classes (B,)."""
        count, classes = self.params.batch, self.teacher.action_width
        noise = torch.randn(count, LATENT, generator=self.chance)
        label = torch.randint(classes, (count,), generator=self.chance)
        return self.maker(noise, label), label

    def teach_maker(
        self, teacher: Tensor, student: Tensor, label: Tensor, watch: Watch
    ) -> dict[str, float]:
        """One step of G on both networks' logits (B, A); its metrics."""
        loss, metrics = self.maker_loss(teacher, student, label, watch.loss())
        descend(self.maker_step, list(self.maker.parameters()), loss, keep=True)
        return {**metrics, "maker": float(loss.detach())}

    def maker_loss(
        self, teacher: Tensor, student: Tensor, label: Tensor, statistics: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """What G descends: L_m + beta L_bal + gamma L_BNS, or GDFQ's CE + 0.1 L_BNS.

        Args:
            teacher: z_P, (B, A).
            student: z_Q, (B, A).
            label: y, (B,).
            statistics: L_BNS.

        Returns:
            The loss, and metrics of this batch.
        """
        p, metrics = self.params, {"statistics": float(statistics.detach())}
        if p.arm == "gdfq":
            cross = nn.functional.cross_entropy(teacher, label)
            return cross + GDFQ_STATISTICS * statistics, metrics
        agreed = agreement(teacher, student)
        inside = (agreed >= p.lambda_low) & (agreed <= p.lambda_high)
        metrics["inside"] = float(inside.float().mean())
        metrics["agreed"] = float(agreed.detach().mean())
        balance = balance_loss(teacher, student, label, p.apart, p.together)
        loss = p.beta * balance + p.gamma * statistics
        if p.arm != "no_margin":
            loss = loss + margin_loss(agreed, p.lambda_low, p.lambda_high)
        return loss, metrics

    def student_loss(self, teacher: Tensor, student: Tensor, label: Tensor) -> Tensor:
        """What Q descends: AdaDFQ's entropy, or GDFQ's distillation."""
        temperature = self.params.temperature
        if self.params.arm == "gdfq":
            return distil_loss(teacher, student, label, temperature)
        return agree_loss(teacher, student, temperature)


def set_rate(optimiser: Optimizer, rate: float) -> None:
    """The learning rate of all its groups."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def descend(
    optimiser: Optimizer,
    parameters: list[nn.Parameter],
    loss: Tensor,
    keep: bool = False,
) -> None:
    """One step; no other player's parameters get a gradient.

    Args:
        optimiser: Of the player.
        parameters: All of the player's.
        loss: What it descends.
        keep: The other player's loss comes the same way.
    """
    gradients = torch.autograd.grad(loss, parameters, retain_graph=keep)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimiser.step()
