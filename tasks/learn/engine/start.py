"""Where a run begins: from nothing, or from a policy with what it learned by.

A policy of the same learner of stage ``learn`` brings its whole state: the run goes on
as if it had not ended, with an empty replay buffer. One of a learner of stage ``train``
brings itself and its critics, if the online learner says that it can begin from it;
optimisers and temperature are then fresh. Either keeps the policy's normaliser.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tasks.artifacts.cut import POLICIES
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.params import PARAMS
from tasks.artifacts.policy import load_critic, load_policy, makers_of
from tasks.learn import OnlineLearner
from tasks.learn.engine.state import FILE, WEIGHTS, Tensors, read_state, take_up
from tasks.nets.critic import Critic
from tasks.nets.policy import Policy
from tasks.train import Spaces

MEND = "start from another policy, or train both with the same widths"


@dataclass
class Start:
    """A policy to begin from.

    Attributes:
        folder: Where it lies.
        policy: All seeds stacked.
        critic: Likewise; None where a state says more, or the learner left none.
        state: By ``<seed>/<name>``; None of a policy of stage ``train``.
        origin: Of the policy.
    """

    folder: Path
    policy: Policy
    critic: Critic | None
    state: Tensors | None
    origin: Mapping[str, Any]

    @property
    def sha256(self) -> str:
        """Of all that the run depends on."""
        names = ("policy.json", "critic.json", FILE)
        files = [self.folder / name for name in names]
        return "".join(sha256(file) for file in files if file.is_file())

    def spaces(self, world: Spaces) -> Spaces:
        """The world's, observations normalised as the policy does it."""
        mean, std = self.policy.observation_mean, self.policy.observation_std
        if mean.shape != world.observation_mean.shape:  # one a seed: the learner's own
            return world
        return replace(world, observation_mean=mean, observation_std=std)

    def begin(self, learner: OnlineLearner[Any], alone: OnlineLearner[Any]) -> None:
        """Bring a fresh learner to where the policy is.

        Args:
            learner: Of some of the policy's seeds, with :meth:`spaces`.
            alone: A fresh learner of one of them.

        Raises:
            RefusedError: If the policy is of other seeds, widths or spaces, or has no
                critics and the learner goes by them.
        """
        learner.started = True
        if self.state is not None:
            take_up(learner, alone, self.state, self.folder / WEIGHTS)
            return
        seeds = list(self.origin["seeds"])
        at = []
        for seed in learner.seeds:
            if seed not in seeds:
                mend = "train it with the same study.seeds"
                where, expected = self.folder / "policy.json", f"{seed} among them"
                raise RefusedError(where, "origin.seeds", seeds, expected, mend)
            at.append(seeds.index(seed))
        self.fill(learner.policy(), self.policy, at, "policy")
        if own := learner.critic():
            if self.critic is None:
                where, found = self.folder / "critic.json", "nothing"
                raise RefusedError(where, "critic", found, "the policy's critics", MEND)
            self.fill(own, self.critic, at, "critic")
        learner.start()

    def fill(
        self, own: Policy | Critic, other: Policy | Critic, at: Sequence[int], kind: str
    ) -> None:
        """Copy some seeds of a network into one of the same shape, in place.

        Args:
            own: The learner's.
            other: The policy's, or its critics.
            at: Which of its seeds.
            kind: ``policy`` or ``critic``, for errors.
        """
        where = self.folder / f"{kind}.json"
        mine, its = own.spec(), other.spec()
        for key in (mine.keys() | its.keys()) - {"stack"}:
            if mine.get(key) != its.get(key):
                found, expected = f"{its.get(key)!s:.120}", f"{mine.get(key)!s:.120}"
                raise RefusedError(where, f"{kind}.{key}", found, expected, MEND)
        state = other.state_dict()
        for name, tensor in own.state_dict().items():
            if "." in name:
                tensor.copy_(_rows(state[name], other.seeds, at))
            elif not torch.equal(tensor, state[name]):
                found, expected = f"{state[name].tolist()!s:.80}", "the world's"
                raise RefusedError(where, f"{kind}.{name}", found, expected, MEND)


def _rows(tensor: Tensor, seeds: int, at: Sequence[int]) -> Tensor:
    """What some seeds have of a tensor whose rows lie seed by seed."""
    parts = tensor.chunk(seeds)
    return torch.cat([parts[i] for i in at])


def read_start(
    dataset: str, name: str, learner: type[OnlineLearner[Any]], start: str
) -> Start:
    """Read a policy to begin from.

    Args:
        dataset: By whose world it learned; the run is of it too.
        name: Of the learner that is to begin.
        learner: Its class.
        start: Of the policy.

    Raises:
        RefusedError: If the policy is missing or damaged, or of a learner that this one
            cannot begin from.
    """
    folder = POLICIES / dataset / start
    policy, origin = load_policy(folder)
    method = makers_of(folder, origin)[-1].get("method")
    own, others = f"learn.{name}", [f"train.{one}" for one in learner.starts]
    if method == own:
        return Start(folder, policy, None, read_state(folder, name), origin)
    if method not in others:
        raise RefusedError(
            PARAMS,
            "study.tuned",
            f"{start}, a policy of {method}",
            f"one of {', '.join([own, *others])}, whose critics {name} can go on with",
            "change study.tuned",
        )
    left = (folder / "critic.json").is_file()
    critic = load_critic(folder)[0] if left else None
    return Start(folder, policy, critic, None, origin)
