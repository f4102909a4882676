"""Adversarial shifts of a field of a step: projected gradient descent on a critic.

Paper: Yang et al. 2024 (arXiv 2310.12955). Reference implementation: YangRui2015/RIQL
``attack.py``. For a field x with deviation std and a critic's opinion Q of steps,

    z <- clip(Adam(z, gradient of Q(x + z std)), -scale, scale)

with learning rate ``rate`` scale, ``steps`` times. z starts at 0, and losses are summed
over rows, so that a row's shift does not depend on which others share its chunk; both
are choices of ours.

Shapes: B rows, O observation, A action, E critics.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.policy import load_critic, load_policy, weights_sha256
from tasks.generate import Progress
from tasks.nets.critic import Critic
from tasks.nets.policy import Policy

BINS = 20  # of the histograms


@dataclass(frozen=True)
class Attacker:
    """A trained agent that is asked how good a step looks; the first seed of its stack.

    Attributes:
        critic: Of that seed, S = 1.
        policy: Of all seeds.
        sha256: Of the critics' weights.
    """

    critic: Critic
    policy: Policy
    sha256: str

    @classmethod
    def open(cls, folder: Path, dataset_sha256: str) -> "Attacker":
        """Load an agent that learned from a dataset.

        Args:
            folder: With its policy and critics.
            dataset_sha256: Of that dataset.

        Raises:
            RefusedError: If the learner left no critics, or learned from other data.
        """
        if not (folder / "critic.json").exists():
            raise RefusedError(
                folder,
                "critic.json",
                "nothing",
                "the critics of a trained learner that leaves them, as edac and sac_n",
                "train it, or change attacker",
            )
        critic, origin = load_critic(folder)
        policy, _ = load_policy(folder)
        if origin["dataset_sha256"] != dataset_sha256:
            raise RefusedError(
                folder / "critic.json",
                "dataset_sha256",
                origin["dataset_sha256"],
                dataset_sha256,
                "train it again with: dvc repro",
            )
        return cls(critic.alone(0), policy, weights_sha256(critic))

    def q(self, observation: Tensor, action: Tensor) -> Tensor:
        """Mean of the critics: (B, O) and (B, A), units of the world -> (B,)."""
        return self.critic(observation[None], action[None])[0].mean(0)

    def act(self, observation: Tensor) -> Tensor:
        """The deterministic action: (B, O) -> (B, A), units of the world."""
        stack = observation.expand(self.policy.seeds, -1, -1)
        action: Tensor = self.policy(stack)[0]
        return action

    def opinion(
        self, field: str, observation: Tensor, action: Tensor
    ) -> Callable[[Tensor], Tensor]:
        """Q of steps as a function of their field: (B, ...) -> (B,).

        Args:
            field: ``obs``, ``act`` or ``next_obs``.
            observation: (B, O) of the steps.
            action: (B, A) of the steps.
        """
        if field == "obs":
            return lambda x: self.q(x, action)
        if field == "act":
            return lambda x: self.q(observation, x)
        return lambda x: self.q(x, self.act(x))


def descend(
    opinion: Callable[[Tensor], Tensor],
    values: Tensor,
    std: Tensor,
    scale: float,
    steps: int,
    rate: float,
) -> Tensor:
    """Find shifts that lower an opinion.

    Args:
        opinion: Takes values (B, D), gives Q (B,).
        values: The field, (B, D).
        std: Its deviation, (D,).
        scale: Half a side of the box, in deviations.
        steps: Of Adam.
        rate: Its learning rate, in scales.

    Returns:
        z, (B, D), in [-scale, scale]; the value becomes values + z std.
    """
    z = torch.zeros_like(values, requires_grad=True)
    optimiser = torch.optim.Adam([z], lr=rate * scale)
    for _ in range(steps):
        loss = opinion(values + z * std).sum()
        (z.grad,) = torch.autograd.grad(loss, [z])
        optimiser.step()
        with torch.no_grad():
            z.clamp_(-scale, scale)
    return z.detach()


def attack(
    attacker: Attacker,
    field: str,
    arrays: dict[str, NDArray[Any]],
    std: NDArray[Any],
    options: dict[str, Any],
    progress: Progress,
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Shift a field of steps against an attacker.

    Args:
        attacker: Whom to ask.
        field: ``obs``, ``act`` or ``next_obs``.
        arrays: ``obs``, ``act`` and ``next_obs`` of the steps, (B, ...) each.
        std: (D,), of the field over the dataset.
        options: ``scale``, ``steps`` and ``rate`` of :func:`descend`, and ``chunks``,
            how many parts the steps are split into.
        progress: Called after each chunk.

    Returns:
        z (B, D), and for the card the attacker's hash and its opinion before and
        after.
    """
    torch.set_num_threads(1)
    o, a, x = (
        torch.as_tensor(np.asarray(arrays[name], np.float32))
        for name in ("obs", "act", field)
    )
    deviation = torch.as_tensor(np.asarray(std, np.float32))
    options = dict(options)
    chunks = np.array_split(np.arange(len(x)), options.pop("chunks"))
    shifts, before, after = [torch.zeros_like(x[:0])], [], []
    for number, rows in enumerate(chunks):
        opinion = attacker.opinion(field, o[rows], a[rows])
        z = descend(opinion, x[rows], deviation, **options)
        with torch.no_grad():
            before.append(opinion(x[rows]))
            after.append(opinion(x[rows] + z * deviation))
        shifts.append(z)
        progress((number + 1) / len(chunks), f"{number + 1} of {len(chunks)} chunks")
    q = _compare(torch.cat(before).numpy(), torch.cat(after).numpy())
    return torch.cat(shifts).numpy(), {"attacker_sha256": attacker.sha256, "q": q}


def _compare(before: NDArray[Any], after: NDArray[Any]) -> dict[str, Any]:
    """Means of Q before and after, (B,) each, and histograms on common edges."""
    if not len(before):
        return {}
    both = np.concatenate([before, after])
    edges = np.histogram_bin_edges(both, BINS)
    return {
        "mean_before": float(before.mean()),
        "mean_after": float(after.mean()),
        "share_lowered": float((after < before).mean()),
        "edges": edges.tolist(),
        "before": np.histogram(before, edges)[0].tolist(),
        "after": np.histogram(after, edges)[0].tolist(),
    }
