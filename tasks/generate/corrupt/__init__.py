"""Wrong data on purpose: one field of some steps of a dataset is corrupted.

Paper: Yang et al. 2024, "Towards Robust Offline Reinforcement Learning under Diverse
Data Corruption" (arXiv 2310.12955). Reference implementation: YangRui2015/RIQL
``attack.py``. Each step is chosen with probability ``rate``, on its own; e is ``scale``
and std the deviation of the field over the dataset, a number a dimension.

| field | random | adversarial |
|---|---|---|
| ``obs`` | s + U(-e, e) std | lowers Q(s + z std, a), abs(z) <= e |
| ``act`` | a + U(-e, e) std | lowers Q(s, a + z std) |
| ``rew`` | U(-e, e) x ``reward_bound`` | -e r |
| ``next_obs`` | s' + U(-e, e) std | lowers Q(s' + z std, pi(s' + z std)) |

Q is the mean over the critics of an agent trained on the clean data, see
``corrupt/attack.py``. Nothing else changes: the observation of a step and the next
observation of the step before are corrupted apart, which breaks the trajectory, as
intended, and actions may leave their bounds and are not clipped back. Which steps were
chosen is kept as a mask for logs. ``log_prob`` in infos stays that of what was played.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
    """See params/generate/corrupt.yaml for units and ranges."""

    field: Annotated[str, OneOf(tuple(COLUMNS))]
    mode: Annotated[str, OneOf(("random", "adversarial"))]
    rate: Annotated[float, Range(0, 1)]
    scale: Annotated[float, Range(0)]
    reward_bound: Annotated[float, Range(0)]
    steps: Annotated[int, Range(1)]
    step_size: Annotated[float, Range(0, 1)]
    chunks: Annotated[int, Range(1)]
    seed: Annotated[int, Range(0)]


class Corrupt(Corruption[CorruptParams]):
    """See the module."""


    def corrupt(
        self,
        played: Sequence[Episode],
        space: Box | Discrete,
        attacker: "Attacker | None",
        progress: Progress,
    ) -> tuple[list[Episode], dict[str, Any]]:
        """See :meth:`tasks.generate.Corruption.corrupt`."""
        p = self.params
        if p.field == "act" and isinstance(space, Discrete):
            found = "act, of a world with discrete actions"
            what = "a field of numbers: obs, rew, next_obs"
            raise RefusedError(PARAMS, "field", found, what, "change field")
        read = [steps(episode, space) for episode in played]
        fields = {
            "obs": np.concatenate([one.observation for one in read]),
            "act": np.concatenate([one.action for one in read]),
            "rew": np.concatenate([one.reward for one in read]),
            "next_obs": np.concatenate([one.next_observation for one in read]),
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
        told: dict[str, Any] = {}
        if p.mode == "random" or p.field == "rew":
            new = self._plain(values, std)[hit]
        else:
            new, told = self._attacked(attacker, fields, hit, std, progress)
        wrong = values.copy()
        wrong[hit] = new
        progress(1.0, f"{hit.sum()} of {len(hit)} steps")
        told = {
            "field": p.field,
            "mode": p.mode,
            "rate": p.rate,
            "scale": p.scale,
            "seed": p.seed,
            "steps": int(hit.sum()),
            "share": float(hit.mean()),
            **told,
        }
        ends = np.cumsum([len(episode) for episode in played])[:-1]
        parts = zip(played, np.split(wrong, ends), np.split(hit, ends), strict=True)
        return [self._beside(*part) for part in parts], told

    def _plain(self, values: NDArray[Any], std: NDArray[Any]) -> NDArray[Any]:
        """What needs no attacker, for all steps: a step's draw is its own."""
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
        """The chosen steps' new values, and what the attacker thought of them."""
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
        z, told = attack(attacker, p.field, chosen, std, options, progress)
        return chosen[p.field] + z * std, told

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
