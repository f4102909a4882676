"""The equations of the diffusion learners once more, in float64, one seed a time."""

from typing import Any

import torch
from torch import Tensor

from tests.train import harness


def mish(x: Tensor) -> Tensor:
    return x * torch.tanh(torch.log1p(torch.exp(x)))


class DiffusionReference(harness.Reference):
    """Networks with Mish between their layers, and the policy with its times."""

    def net(self, name: str, x: Tensor, e: int = 0, norm: str = "none") -> Tensor:
        assert norm == "none"
        i = 0
        while f"{name}.layers.{i}.weight" in self.t:
            x = mish(x) if i else x
            weight = self.t[f"{name}.layers.{i}.weight"][e]
            x = x @ weight + self.t[f"{name}.layers.{i}.bias"][e]
            i += 1
        return x

    def predict(self, name: str, o: Tensor, x: Tensor, *times: Tensor) -> Tensor:
        """The policy's network; times (B,) each, scaled."""
        embedded = []
        for i, time in enumerate(times):
            half = self.learner.params.time_width // 2
            rates = 10_000 ** (-torch.arange(half).double() / (half - 1))
            angles = time[:, None] * rates
            waves = torch.cat([angles.sin(), angles.cos()], 1)
            embedded.append(self.net(f"{name}.embeddings.{i}", waves))
        return self.net(name, torch.cat([x, *embedded, o], 1))

    def ancestral(self, name: str, o: Tensor, noise: Tensor, abar: Any) -> Tensor:
        """DDPM, equations 6, 7 and 11 of Ho et al.; noise (B, K, A)."""
        steps = len(abar)
        x = noise[:, 0]
        for k in reversed(range(steps)):
            before = abar[k - 1] if k else 1.0
            alpha = abar[k] / before
            said = self.predict(name, o, x, torch.full((len(x),), k).double())
            data = (x - (1 - abar[k]) ** 0.5 * said) / abar[k] ** 0.5
            data = data.clamp(-1, 1)
            x = (
                before**0.5 * (1 - alpha) / (1 - abar[k]) * data
                + alpha**0.5 * (1 - before) / (1 - abar[k]) * x
            )
            if k:
                variance = (1 - before) / (1 - abar[k]) * (1 - alpha)
                x = x + variance**0.5 * noise[:, steps - k]
        return x.clamp(-1, 1)

    def clipped_step(self, names: tuple[str, ...], loss: Tensor, p: Any) -> None:
        """Adam after the gradient of all of it was shortened to ``clip_norm``."""
        keys = [k for k in self.t if k.startswith(names)]
        gradients = torch.autograd.grad(loss, [self.t[k] for k in keys])
        norm = torch.cat([g.flatten() for g in gradients]).norm()
        factor = (p.clip_norm / (norm + 1e-6)).clamp(max=1)
        for k, g in zip(keys, gradients, strict=True):
            self.gradients[k] = g * factor
            moved = self.t[k] - p.actor_rate * g * factor / ((g * factor).abs() + 1e-8)
            self.t[k] = moved.detach().requires_grad_()

    def update(self, imitation: Any, sample: Any, p: Any, averaged: bool) -> None:
        """The order of both learners.

        Args:
            imitation: Its loss.
            sample: (name, observation, noise (B, n, A)) -> action.
            p: Parameters; both rates the same.
            averaged: Whether the averaged policy moves.
        """
        with torch.no_grad():
            a2 = sample("average", self.o2, self.noise["next"])
            q1, q2 = self.q("target", self.o2, a2)
            y = self.r + p.discount * (1 - self.d) * torch.minimum(q1, q2)
        q1, q2 = self.q("critics", self.o, self.a)
        loss = ((q1 - y) ** 2).mean() + ((q2 - y) ** 2).mean()
        self.clipped_step(("critics",), loss, p)
        a = sample("actor", self.o, self.noise["current"])
        q1, q2 = self.q("critics", self.o, a)
        if p.normaliser == "swap":
            up, down = (q2, q1) if self.noise["choice"][0, 1, 0] > 0 else (q1, q2)
        else:
            up = torch.minimum(q1, q2) if p.normaliser == "min" else (q1 + q2) / 2
            down = up
        climb = -up.mean() / down.abs().mean().detach()
        self.clipped_step(("actor",), imitation() + p.eta * climb, p)
        if averaged:
            self.polyak("average", "actor", 1 - p.average_decay)
        self.polyak("target", "critics", p.polyak)


def spread(learner: Any) -> None:
    """Averages and targets that differ, and actions that use their range."""
    with torch.no_grad():
        for kept in (learner.average, learner.target):
            for parameter in kept.parameters():
                parameter.mul_(1.2)
        learner.critics.net.layers[-1].weight.mul_(5)  # neither is always the smaller
        learner.target.net.layers[-1].weight.mul_(5)
