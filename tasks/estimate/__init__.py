"""Estimate: what a policy would return, guessed from logged episodes alone.

A method's file defines one :class:`Estimator`. The field calls this off-policy
evaluation. An estimate is not a return: no world was played. It is written with
``"kind": "estimate"``, shown in tables of its own and never ranked beside returns.

Shapes: E episodes, N steps of all of them, O observation, A action, S policies.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.density import Gaussian, distribution
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.method import Method
from tasks.artifacts.params import Params, Range
from tasks.statistics.intervals import percentiles, resampled

if TYPE_CHECKING:
    from tasks.artifacts.onnx_policy import OnnxPolicy
    from tasks.artifacts.transitions import Transitions

ESTIMATE = "estimate"  # metrics.json, key kind; returns of a world have no such key
Doubles = NDArray[np.float64]
Target = Callable[[NDArray[Any]], Gaussian]  # observations (N, O) -> actions (N, A)
Tell = Callable[[float, str], None]  # share of the work done, 0..1, and words


@dataclass(frozen=True)
class EstimateParams(Params):
    """Parameters of every estimator.

    Attributes:
        noise: With how much noise the policy acts: a gaussian head's own standard
            deviation times it; of any other policy it is the standard deviation of
            normal noise on the action, in halves of the action's range, clipped. It
            is the noisy policy whose return is estimated.
        discount: Per step, 0..1.
        confidence: Of intervals, e.g. 0.95.
        resamples: Of the bootstrap.
        resample_seed: Of the bootstrap's generator.
    """

    noise: Annotated[float, Range(0, 10)]
    discount: Annotated[float, Range(0, 1)]
    confidence: Annotated[float, Range(0, 1, open=True)]
    resamples: Annotated[int, Range(100, 10**6)]
    resample_seed: Annotated[int, Range(0, 2**31 - 1)]


P = TypeVar("P", bound=EstimateParams)


class Estimator(Method[P], ABC):
    """One way to guess what a policy would return, from logged episodes alone.

    Args:
        params: The method's parameters.
    """

    @abstractmethod
    def estimate(
        self, data: "Transitions", targets: Mapping[int, Target], tell: Tell
    ) -> dict[str, Any]:
        """Estimate the return of each policy.

        Args:
            data: The logged episodes.
            targets: The policies, one a training seed.
            tell: Called now and then with the progress.

        Returns:
            What :func:`figures` gives, and what else the method has to say.

        Raises:
            RefusedError: If the data or a policy lacks what the method needs.
        """


def target(
    path: Path, policy: "OnnxPolicy", data: "Transitions", noise: float
) -> Target:
    """A policy as estimators see it: a distribution of actions at each observation.

    Args:
        path: The file, for errors.
        policy: Opened with ``distribution=True``.
        data: The episodes it will be judged by.
        noise: With how much noise it acts, see ``EstimateParams.noise``.

    Raises:
        RefusedError: If its widths or bounds are not the data's, it carries state or
            reads more than observation and noise, or its noise makes actions in a way
            of its own, as that of a policy that is always played with noise does.
    """
    contract = policy.contract
    action = contract["outputs"]["action"]
    discrete = "n" in action
    bounds = ("n",) if discrete else ("low", "high")
    own = {"n": data.action.shape[1] if data.discrete else 0}
    own |= {"low": data.action_low.tolist(), "high": data.action_high.tolist()}
    inputs = set(contract["inputs"]) - {"noise"}
    stated: list[tuple[str, Any, Any]] = [
        ("inputs", sorted(inputs), ["observation"]),
        ("carry", contract["carry"], {}),
        (
            "inputs.observation.shape",
            contract["inputs"]["observation"]["shape"][1:],
            [data.observation.shape[1]],
        ),
        *((f"outputs.action.{end}", _numbers(action[end]), own[end]) for end in bounds),
    ]
    if discrete:
        stated.append(("noise, of a policy that takes its best choice", noise, 0))
    stated.append(("inputs.noise.acting", policy.acting, "zero"))
    if noise and "noise" in contract["inputs"]:
        stated.append(("noise, of a gaussian head", policy.has_head, True))
    for field, found, expected in stated:
        if found != expected:
            raise RefusedError(
                path,
                field,
                found,
                expected,
                "estimate a policy without memory that was trained on such data",
            )
    if discrete:
        return lambda observation: _greedy(policy, observation, int(action["n"]))
    return lambda observation: distribution(policy, observation, noise)


def _numbers(bound: Any) -> Any:
    """A bound of a contract as float32 has it, or how many choices there are."""
    return np.asarray(bound, np.float32).tolist() if isinstance(bound, list) else bound


def _greedy(policy: "OnnxPolicy", observation: NDArray[Any], count: int) -> Gaussian:
    """The choices (N, A) of a policy, one-hot and scaled to [-1, 1], for certain."""
    chosen = policy.step({"observation": observation}, {})[0]["action"].reshape(-1)
    mean = 2 * np.eye(count)[chosen.astype(np.int64)] - 1
    return Gaussian(mean, np.zeros_like(mean), squashed=False)


def begins(data: "Transitions") -> NDArray[np.int64]:
    """Row of each episode's first step: (E,)."""
    return np.flatnonzero(np.diff(data.episode, prepend=-1)).astype(np.int64)


def bootstrap(
    statistic: Callable[[NDArray[np.int64]], Any], episodes: int, p: EstimateParams
) -> Doubles:
    """A statistic of resampled episodes, drawn as the parameters say.

    Args:
        statistic: Of episode numbers (E,), with repetition; one value a policy (S,).
        episodes: E.
        p: Resamples, and the seed of their generator.

    Returns:
        (resamples, S).
    """
    return resampled(statistic, episodes, resamples=p.resamples, seed=p.resample_seed)


def figures(
    values: Doubles, draws: Doubles, seeds: Iterable[int], p: EstimateParams
) -> dict[str, Any]:
    """Estimates of each policy and their mean, with bootstrap intervals.

    Intervals are over episodes, the policies being those there are.

    Args:
        values: (S,), the estimate of each policy from all episodes.
        draws: (resamples, S), of the same episodes for all policies.
        seeds: Training seeds of the policies, S.
        p: The confidence of the intervals.

    Returns:
        ``discounted``: mean, low and high; ``per_seed``: the same of each.
    """

    def block(value: Any, of_one: Doubles) -> dict[str, float]:
        low, high = percentiles(of_one, p.confidence)
        return {"mean": float(value), "low": low, "high": high}

    return {
        "discounted": block(values.mean(), draws.mean(axis=1)),
        "per_seed": [
            {"seed": seed, **block(values[k], draws[:, k])}
            for k, seed in enumerate(seeds)
        ],
    }
