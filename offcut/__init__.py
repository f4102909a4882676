"""Use a policy that Offcut exported: onnxruntime and numpy, and nothing else.

    policy = offcut.Policy.open("seed-0.onnx")
    state = policy.reset(len(observation))
    action, state = policy.act(observation, state)

The file is checked before it is opened: its contract, its hash where the JSON beside it
states one, and that its graph is plain arithmetic with all its data inside.
"""

from offcut.errors import RefusedError
from offcut.policy import Latency, Policy, State

__all__ = ["Latency", "Policy", "RefusedError", "State"]
