"""What a policy's file says of itself, as Markdown a person can read."""

from collections.abc import Mapping, Sequence
from typing import Any

from offcut.policy import Policy
from offcut.snippet import snippet


def card(*policies: Policy) -> str:
    """The card of a file, or of the files of a variant, one a training seed.

    What it is, how to call it, what it was made of, what it does not say. All of it is
    the files' own statement. Hashes find mix-ups; they do not say who made a file.

    Args:
        policies: At least one; several differ in their seed alone.
    """
    first = policies[0]
    contract = first.contract
    seeds = [str(policy.contract["seed"]) for policy in policies]
    sizes = sorted({policy.path.stat().st_size for policy in policies})
    size = " to ".join(f"{end:,}" for end in dict.fromkeys((sizes[0], sizes[-1])))
    names = contract["learner"], contract["variant"]
    one = len(policies) == 1
    lines = [
        f"# {first.path.name if one else ' / '.join(names)}",
        "",
        f"A policy for `{contract['env_id']}`, trained by `{names[0]}` with "
        f"seed{'' if one else 's'} {', '.join(seeds)}, compressed as `{names[1]}`: "
        f"{size} bytes{'' if one else ' a file, one a seed'}.",
        "",
        "| value | shape | |",
        "|---|---|---|",
        *(_row("input", name, entry) for name, entry in contract["inputs"].items()),
        *(_row("output", name, entry) for name, entry in contract["outputs"].items()),
        *(_row("carry", name, entry) for name, entry in contract["carry"].items()),
        "",
        f"- One step lasts {contract['step_seconds']:g} s.",
        f"- Arithmetic: {contract['mode']}, ONNX opset {first.model.opset}.",
        _data(contract["dataset"]),
        f"- Weights: SHA-256 {contract['weights_sha256']}.",
        _parity([policy.contract.get("parity") for policy in policies]),
        *_origin(contract),
        "",
        "## Use",
        "",
        "```python",
        *snippet(first.path.name, contract).splitlines(),
        "```",
        "",
        "The same with checks: `offcut.Policy.open`. Where Gymnasium has the "
        f"environment, `offcut play {first.path.name}` plays it.",
        "",
        "## Limits",
        "",
        "- How well it acts is not stated here. A return holds for the world and the "
        "starts it was played from, as in the report of a study.",
        "- It saw the states of its data and no others. Elsewhere it also gives an "
        "action inside the bounds, which may be any.",
        "- No licence is stated: that of the data also holds for what learned from it.",
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


def _data(dataset: Mapping[str, Any]) -> str:
    """What it learned from; online learners have no file of it."""
    stated = f", SHA-256 {dataset['sha256']}" if dataset["sha256"] else ""
    return f"- Data: `{dataset['name']}`{stated}."


def _parity(parities: Sequence[Mapping[str, Any] | None]) -> str:
    """How far actions lie from those of the networks they were exported from."""
    largest = [(p or {}).get("max") for p in parities]
    told = [end for end in largest if isinstance(end, int | float)]
    if len(told) < len(parities):
        return "- Parity with the network it was exported from: not stated."
    return (
        f"- Parity: at most {max(told):.2g} from the network it was exported from, "
        f"over {(parities[0] or {}).get('rows', '?')} rows."
    )


def _origin(contract: Mapping[str, Any]) -> list[str]:
    """Which methods had a part in it, with the hashes of their code and parameters."""
    lines = []
    made = [step for step in contract.get("made_by", []) if isinstance(step, dict)]
    if "learned" in contract:
        trained = any(str(step.get("method")).startswith("train.") for step in made)
        both = trained or "data_share" in contract["learned"]
        more = ", and from the data" if both else "; the data are for comparing"
        lines.append(f"- Learned by acting in its world{more}.")
    if "adopted" in contract:
        lines.append("- Trained elsewhere, and taken in.")
    for step in made:
        said = ", ".join(f"{k} {v}" for k, v in step.items() if k != "method")
        lines.append(f"- Made by `{step.get('method')}`: {said}.")
    return lines
