"""Wrong data on purpose: one field of some steps of a dataset is corrupted.

Paper: Yang et al. 2024, "Towards Robust Offline Reinforcement Learning under Diverse
Data Corruption" (arXiv 2310.12955). Reference implementation: YangRui2015/RIQL
``attack.py``. Each step (s, a, r, s') is chosen with probability ``rate``, on its own;
e is ``scale`` and std the deviation of the field over the dataset, per dimension.

| field | random | adversarial |
|---|---|---|
| ``obs`` | s + U(-e, e) std | s + z std, z lowers Q(s + z std, a), abs(z) <= e |
| ``act`` | a + U(-e, e) std | a + z std, z lowers Q(s, a + z std) |
| ``rew`` | U(-e, e) x ``reward_bound`` | -e r |
| ``next_obs`` | s' + U(-e, e) std | s' + z std, z lowers Q(s' + z std, π(s' + z std)) |

Q is the mean over the critics of an agent trained on the clean data, π its policy; z is
found by the gradient descent of ``corrupt/attack.py``. Nothing else changes: the
observation of a step and the next observation of the step before are corrupted apart,
which breaks the trajectory, as intended, and actions may leave their bounds and are not
clipped back. Which steps were chosen is kept as a mask for logs. ``log_prob`` in infos
stays that of what was played.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from numpy.typing import NDArray

from tasks.artifacts.episodes import Episode
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.params import PARAMS, OneOf, Params, Range
from tasks.artifacts.readings import COLUMNS, MASK, steps
from tasks.generate import Corruption, Progress

if TYPE_CHECKING:
    from tasks.generate.corrupt.attack import Attacker


@dataclass(frozen=True)
class CorruptParams(Params):
    """Units and ranges stand in params/generate/corrupt.yaml."""

    field: Annotated[str, OneOf(tuple(COLUMNS))]
    mode: Annotated[str, OneOf(("random", "adversarial"))]
    rate: Annotated[float, Range(0, 1)]
    scale: Annotated[float, Range(0, 1e9)]
    reward_bound: Annotated[float, Range(0, 1e9)]
    steps: Annotated[int, Range(1, 10**6)]
    step_size: Annotated[float, Range(0, 1)]
    chunks: Annotated[int, Range(1, 10**6)]
    seed: Annotated[int, Range(0, 2**31 - 1)]


class Corrupt(Corruption[CorruptParams]):
    """The corruption of one field, at random or against an attacker."""

    def open_attacker(self, folder: Path, dataset_sha256: str) -> "Attacker":
        """Load an agent's policy and critics."""
        from tasks.generate.corrupt.attack import Attacker  # torch, spared at random

        return Attacker.open(folder, dataset_sha256)

    def corrupt(
        self,
        played: Sequence[Episode],
        space: Box | Discrete,
        attacker: "Attacker | None",
        progress: Progress,
    ) -> tuple[list[Episode], dict[str, Any]]:
        """Corrupt the field; warns of dimensions that never change in the data.

        Raises:
            RefusedError: If actions to corrupt are discrete, or an attack has no
                attacker.
        """
        p = self.params
        if p.field == "act" and isinstance(space, Discrete):
            field = "act, of a world with discrete actions"
            what = "a field of numbers: obs, rew, next_obs"
            raise RefusedError(PARAMS, "field", field, what, "change field")
        read = [steps(episode, space) for episode in played]
        fields = {
            "obs": np.concatenate([part.observation for part in read]),
            "act": np.concatenate([part.action for part in read]),
            "rew": np.concatenate([part.reward for part in read]),
            "next_obs": np.concatenate([part.next_observation for part in read]),
        }
        values = fields[p.field]
        hit = np.random.default_rng([p.seed, 0]).random(len(values)) < p.rate
        std = values.astype(np.float64).std(axis=0)
        if p.field != "rew" and not std.all():
            warnings.warn(
                f"{p.field} {np.flatnonzero(std == 0).tolist()} never changes in the "
                "data, and so no corruption changes it",
                stacklevel=2,
            )
        opinion: dict[str, Any] = {}
        if p.mode == "random" or p.field == "rew":
            new = self._plain(values, std)[hit]
        else:
            new, opinion = self._attacked(attacker, fields, hit, std, progress)
        wrong = values.copy()
        wrong[hit] = new
        progress(1.0, f"{hit.sum()} of {len(hit)} steps")
        figures = {
            "field": p.field,
            "mode": p.mode,
            "rate": p.rate,
            "scale": p.scale,
            "seed": p.seed,
            "steps": int(hit.sum()),
            "share": float(hit.mean()),
            **opinion,
        }
        ends = np.cumsum([len(episode) for episode in played])[:-1]
        parts = zip(played, np.split(wrong, ends), np.split(hit, ends), strict=True)
        return [self._beside(*part) for part in parts], figures

    def _plain(self, values: NDArray[Any], std: NDArray[Any]) -> NDArray[Any]:
        """Corruption that needs no attacker.

        It is drawn for all steps, chosen or not, so that a step's draw is its own.

        Args:
            values: The field, (T, ...), T steps of all episodes.
            std: Its deviation, (...).

        Returns:
            The corrupted field, (T, ...).
        """
        p = self.params
        if p.mode == "adversarial":
            return -p.scale * values
        generator = np.random.default_rng([p.seed, 1])
        shift = p.scale * (2 * generator.random(values.shape) - 1)
        return p.reward_bound * shift if p.field == "rew" else values + shift * std

    def _attacked(
        self,
        attacker: "Attacker | None",
        fields: dict[str, NDArray[Any]],
        hit: NDArray[np.bool_],
        std: NDArray[Any],
        progress: Progress,
    ) -> tuple[NDArray[Any], dict[str, Any]]:
        """Corruption against an attacker.

        Args:
            attacker: Whom to ask.
            fields: All fields, (T, ...) each.
            hit: Which steps are chosen, (T,).
            std: Deviation of the field, (...).
            progress: Called as the work goes on.

        Returns:
            New values of the chosen steps, (hits, ...), and for the card the attacker's
            hash and its opinion before and after.
        """
        p = self.params
        if attacker is None:
            raise RefusedError(
                PARAMS,
                "mode",
                f"adversarial {p.field} without an attacker",
                "critics of a trained agent",
                "move the block to attack, and name an attacker",
            )
        from tasks.generate.corrupt.attack import attack

        chosen = {name: values[hit] for name, values in fields.items()}
        options = {"scale": p.scale, "steps": p.steps, "rate": p.step_size}
        options |= {"chunks": p.chunks}
        z, opinion = attack(attacker, p.field, chosen, std, options, progress)
        return chosen[p.field] + z * std, opinion

    def _beside(
        self, episode: Episode, wrong: NDArray[Any], hit: NDArray[np.bool_]
    ) -> Episode:
        """The episode with its corrupted column and the mask among the infos."""
        added = {COLUMNS[self.params.field]: wrong, MASK: hit.astype(np.float32)}
        added = {
            name: np.concatenate([rows, np.zeros_like(rows[:1])])
            for name, rows in added.items()
        }
        return replace(episode, infos={**episode.infos, **added})
