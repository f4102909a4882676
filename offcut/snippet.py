"""The lines that use a file with onnxruntime alone, to be copied into a program."""

import json
from collections.abc import Mapping
from typing import Any

EXACT = 'options.add_session_config_entry("session.disable_quant_qdq", "1")'
GIVEN = {  # what an input is given where the snippet knows nothing better, and why
    "legal": ("np.ones({}, np.float32)", "1 where an action is allowed"),
    "reward": ("np.zeros({}, np.float32)", "that of the step before"),
}


def snippet(file: str, contract: Mapping[str, Any]) -> str:
    """About ten lines of Python that open a file and ask it for an action.

    They need numpy and onnxruntime, no Offcut, and check nothing. Run as they stand,
    they ask for the first action at an observation of zeros. Whatever the contract
    calls its inputs stands in them as text of Python, never as code.

    Args:
        file: Path of the .onnx file, as it shall stand there.
        contract: What the file says of itself.
    """
    carry, inputs = contract["carry"], dict(contract["inputs"])
    noisy = inputs.get("noise", {}).get("acting") == "normal"
    lines = [
        "import numpy as np",
        "import onnxruntime",
        "",
        "options = onnxruntime.SessionOptions()",
        "options.intra_op_num_threads = 1",
        *([f"{EXACT}  # as it was judged"] if contract["mode"] == "exact" else []),
        f"session = onnxruntime.InferenceSession({_text(file)}, options)",
        *(["draw = np.random.default_rng(0)"] if noisy else []),
        *_began(carry),
        "",
        "inputs = {  # at each step",
        *(_given(name, entry, noisy) for name, entry in inputs.items()),
        "}",
    ]
    if carry:
        wanted = json.dumps(["action", *(f"next_{name}" for name in carry)])
        lines += [
            f"action, *after = session.run({wanted}, inputs | carry)",
            "carry = dict(zip(carry, after))",
        ]
    else:
        lines.append('action = session.run(["action"], inputs)[0]')
    lines[-1 if not carry else -2] += f"  # {_said(contract['outputs']['action'])}"
    return "".join(f"{line}\n" for line in lines)


def _began(carry: Mapping[str, Any]) -> list[str]:
    """The lines that set what is carried from step to step, where there is any."""
    entries = [
        f"    {_text(name)}: np.full({_rows(entry)}, {entry['reset']!r}, np.float32),"
        for name, entry in carry.items()
    ]
    return (
        ["carry = {  # again where an episode begins", *entries, "}"] if carry else []
    )


def _given(name: str, entry: Mapping[str, Any], noisy: bool) -> str:
    """One input of a step."""
    how, why = GIVEN.get(name, ("np.zeros({}, np.float32)", "zeros: without chance"))
    if name == "observation":
        how, why = "np.zeros({}, np.float32)", "yours, in units of the world"
    elif name == "noise" and noisy:
        how, why = "draw.standard_normal({}, np.float32)", "standard normal"
    return f"    {_text(name)}: {how.format(_rows(entry))},  # {why}"


def _rows(entry: Mapping[str, Any]) -> str:
    """The shape of a batch of one."""
    return repr((1, *entry["shape"][1:]))


def _said(action: Mapping[str, Any]) -> str:
    """Shape and bounds of the action in words."""
    if "n" in action:
        return f"(1,), a number below {action['n']}"
    low, high = min(action["low"]), max(action["high"])
    return f"{_rows(action)}, from {low:g} to {high:g}"


def _text(value: str) -> str:
    """Text as Python writes it, whatever is in it."""
    return json.dumps(value)
