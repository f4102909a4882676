"""What stands under an answer: file, command, and how far critics came."""

from pathlib import Path

from offcut.snippet import snippet
from tasks.artifacts.curves import Horizon, undertrained
from tasks.artifacts.onnx_check import read_contract
from tasks.report.engine.result import Result


def critics(name: str, reached: Horizon) -> tuple[str, float, float | None, bool]:
    """Name, share of horizon, value over the data's, whether both are too little."""
    worth = reached["data_value"]
    value = reached["value"] / worth if worth else None
    return name, reached["share"], value, undertrained(reached)


def use_of(file: str) -> str:
    """The lines that use an ONNX file without Offcut.

    Raises:
        RefusedError: If the contract beside it is none.
    """
    return snippet(file, read_contract(Path(file).with_suffix(".json")))


def command_of(result: Result) -> str:
    """What plays all seeds' files of a variant."""
    named = f"--dataset {result.dataset} --learner {result.learner}"
    return f"python -m tasks.evaluate {named} --variant {result.variant}"
