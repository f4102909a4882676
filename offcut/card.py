"""What a policy's file says of itself, as Markdown a person can read."""

from collections.abc import Mapping
from typing import Any

from offcut.policy import Policy


def card(policy: Policy) -> str:
    """The card of a policy: what it is, how to call it, what it was made of.

    All of it is the file's own statement. Hashes find mix-ups; they do not say who made
    the file.
    """
    contract = policy.contract
    lines = [
        f"# {policy.path.name}",
        "",
        f"A policy for `{contract['env_id']}`, trained by `{contract['learner']}` with "
        f"seed {contract['seed']}, compressed as `{contract['variant']}`: "
        f"{policy.path.stat().st_size:,} bytes.",
        "",
        "| value | shape | |",
        "|---|---|---|",
        *(_row("input", name, entry) for name, entry in contract["inputs"].items()),
        *(_row("output", name, entry) for name, entry in contract["outputs"].items()),
        *(_row("carry", name, entry) for name, entry in contract["carry"].items()),
        "",
        f"- One step lasts {contract['step_seconds']:g} s.",
        f"- Arithmetic: {contract['mode']}, ONNX opset {policy.model.opset}.",
        f"- Data: `{contract['dataset']['name']}`, "
        f"SHA-256 {contract['dataset']['sha256']}.",
        f"- Weights: SHA-256 {contract['weights_sha256']}.",
        _parity(contract.get("parity")),
        *_origin(contract),
    ]
    return "".join(f"{_printable(line)}\n" for line in lines)


def _printable(line: str) -> str:
    """A line without control codes, which a file's text could hold."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)


def _row(kind: str, name: str, entry: Mapping[str, Any]) -> str:
    """A line of the table; of an action its bounds."""
    said = []
    if "n" in entry:
        said.append(f"one of {entry['n']}")
    if "low" in entry:
        ends = [" to ".join(f"{end:g}" for end in ends) for ends in _bounds(entry)]
        said.append(", ".join(ends if len(set(ends)) > 1 else ends[:1]))
    if "acting" in entry:
        said.append(f"played with {entry['acting']} noise")
    if "reset" in entry:
        said.append(f"{entry['reset']:g} at the start of an episode")
    shape = ", ".join(str(size) for size in entry["shape"])
    return f"| {kind} `{name}` | ({shape}) | {'; '.join(said)} |"


def _bounds(action: Mapping[str, Any]) -> list[tuple[float, float]]:
    return list(zip(action["low"], action["high"], strict=True))


def _parity(parity: Mapping[str, Any] | None) -> str:
    """How far its actions lie from those of the network it was exported from."""
    if not parity or not {"max", "rows"} <= parity.keys():
        return "- Parity with the network it was exported from: not stated."
    return (
        f"- Parity: at most {parity['max']} from the network it was exported from, "
        f"over {parity['rows']} rows."
    )


def _origin(contract: Mapping[str, Any]) -> list[str]:
    """Which methods had a part in it, with the hashes of their code and parameters."""
    lines = []
    if "learned" in contract:
        lines.append("- Learned by acting in its world; the data are for comparing.")
    if "adopted" in contract:
        lines.append("- Trained elsewhere, and taken in.")
    for step in contract.get("made_by", []):
        if isinstance(step, dict):
            said = ", ".join(f"{k} {v}" for k, v in step.items() if k != "method")
            lines.append(f"- Made by `{step.get('method')}`: {said}.")
    return lines
