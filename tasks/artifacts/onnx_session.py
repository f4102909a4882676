"""Opening ONNX files with onnxruntime, after all checks."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import sha256
from tasks.artifacts.onnx_check import MEND, check_model

MODES = ("exact", "native")


def session_of(model: bytes, mode: str, threads: int) -> onnxruntime.InferenceSession:
    """A session on the CPU.

    Args:
        model: The file's bytes.
        mode: ``exact``: float arithmetic; ``native``: integer kernels.
        threads: Inside an operator.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if mode == "exact":
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    return onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"]
    )


def session_info(mode: str, threads: int) -> dict[str, Any]:
    """How a session runs, for the record."""
    return {
        "onnxruntime": onnxruntime.__version__,
        "provider": "CPUExecutionProvider",
        "mode": mode,
        "threads": threads,
        "optimisation": "all",
    }


def checked_bytes(path: Path, contract: Mapping[str, Any]) -> bytes:
    """A file's bytes, if they have the stated hash and are the graph it speaks of.

    Raises:
        RefusedError: If not, or the graph reaches outside.
    """
    present = sha256(path) if path.exists() else "nothing"
    if present != contract["onnx_sha256"]:
        raise RefusedError(path, "sha256", present, contract["onnx_sha256"], MEND)
    data = path.read_bytes()
    check_model(path, data, contract)
    return data


def checked_mode(path: Path, mode: str) -> str:
    """The mode; refuses what is none."""
    if mode not in MODES:
        raise RefusedError(path, "mode", mode, " or ".join(MODES), MEND)
    return mode
