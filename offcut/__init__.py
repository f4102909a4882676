"""Use a policy that Offcut exported: onnxruntime and numpy, and nothing else.

    policy = offcut.Policy.open("seed-0.onnx")
    state = policy.reset(len(observation))
    action, state = policy.act(observation, state)

The file is checked before it is opened: its contract, its hash where the JSON beside it
states one, and that its graph is plain arithmetic with all its data inside.
"""

from typing import TYPE_CHECKING, Any

from offcut.errors import RefusedError

if TYPE_CHECKING:
    from offcut.policy import Latency, Policy, State

__all__ = ["Latency", "Policy", "RefusedError", "State"]


def __getattr__(name: str) -> Any:
    """Import what needs numpy and onnxruntime when it is asked for.

    The command's help and completion need neither, and are there at once.
    """
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from offcut import policy

    return getattr(policy, name)
