"""DQN, the online learner that trains the behaviour policies of discrete worlds.

Papers: Mnih et al. 2015, "Human-level control through deep reinforcement learning"
(Nature 518) and, for its target, van Hasselt, Guez & Silver 2016, "Deep Reinforcement
Learning with Double Q-learning" (arXiv 1509.06461). The loss is

    L = mean Huber(Q(s, a) - r - discount (1 - d) Qbar(s', argmax_a' Q(s', a')))

with d for a termination; ``cores/double_q.py`` has it. The paper clips the error's
gradient to [-1, 1], which is the Huber loss. Adam instead of RMSProp, as in CleanRL's
``dqn.py``. Forbidden actions are neither explored nor bootstrapped from.
"""

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from tasks.artifacts.params import Range
from tasks.train import Batch
from tasks.train.cores.double_q import QLearner, QParams


@dataclass(frozen=True)
class DQNParams(QParams):
    """Parameters of DQN; units and ranges stand in params/train/dqn.yaml."""

    epsilon_start: Annotated[float, Range(0, 1)]
    epsilon_end: Annotated[float, Range(0, 1)]
    epsilon_share: Annotated[float, Range(0, 1, open=True)]


class DQN(QLearner[DQNParams]):
    """Double Q-learning; the online loop explores with :meth:`epsilon`."""

    def epsilon(self, step: int) -> float:
        """Share of random actions after some steps, falling linearly.

        Args:
            step: Number of the step, 0...

        Returns:
            From ``epsilon_start`` at step 0 to ``epsilon_end`` after ``epsilon_share``
            of all steps.
        """
        p = self.params
        done = min(1.0, step / (p.epsilon_share * self.updates))
        return p.epsilon_start + done * (p.epsilon_end - p.epsilon_start)

    def update(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Descend the error; renew the target network when it is time."""
        q = self.q.logits(batch.observation)
        loss = self.td_loss(q, batch)
        self.descend("q", loss)
        self.renew_target(step)
        return {
            "critic_loss": loss.detach(),
            "value": q.detach().amax(-1).mean(-1),
        }
