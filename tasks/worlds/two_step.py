"""Bad luck first, then a choice that should depend on it.

| | shape | meaning |
|---|---|---|
| observation | (2,) | steps done, and the same again: 0, then 1 |
| action | one of 2 | safe, risky |

| step | reward |
|---|---|
| first, whatever is done | -4 or 0, each with probability 1/2 |
| second, safe | -2.9 |
| second, risky | -1 with probability 0.8, -6 with 0.2 |

Terminates after two steps. One step has no duration, the control step is called 1 s.

What was lost first is not observed. Who wants a high mean of the worst half of returns
has to remember it: risky after -4 and safe after 0 has -6.0, safe always -6.9, risky
always -6.2. The world is our own.
"""

import numpy as np

from tasks.worlds.cores.finite import FiniteEnv, FiniteWorld, Process

SAFE, RISKY = 0, 1


class TwoStep(FiniteWorld):
    """The choice; the module says what it observes and earns."""

    env_ids = ("TwoStep-v0",)

    def made(self) -> Process:
        """Two states, told apart by the steps done, and two outcomes of each action."""
        chance = np.array([[[0.5, 0.5]] * 2, [[1.0, 0.0], [0.8, 0.2]]])
        reward = np.array([[[-4.0, 0.0]] * 2, [[-2.9, -2.9], [-1.0, -6.0]]])
        after = np.ones((2, 2, 2), np.int64)
        ends = np.zeros((2, 2, 2), bool)
        ends[1] = True
        return Process(2, (2,), 0, chance, after, reward, ends, 0.1)


class TwoStepEnv(FiniteEnv):
    """One such environment."""

    world = TwoStep


TwoStep.recorded = TwoStepEnv
