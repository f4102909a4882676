"""Exporting a predictor: one ONNX file a seed, behind the parity gate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.artifacts.files import whole_folder, write_text
from tasks.artifacts.onnx_policy import write_onnx
from tasks.artifacts.onnx_predictor import (
    OnnxPredictor,
    build_predictor,
    predictor_contract,
)
from tasks.artifacts.predictor_parity import check_predictor_parity
from tasks.export import Exporter
from tasks.nets.predictor import Predictor


def export_predictor(
    out: Path,
    predictor: Predictor,
    origin: Mapping[str, Any],
    mode: str,
    rows: Mapping[str, NDArray[Any]],
    exporter: Exporter[Any],
) -> list[str]:
    """Write the files of all seeds, or nothing.

    Args:
        out: Folder of the variant.
        predictor: All seeds stacked.
        origin: What it was made of, with the hashes that a contract states.
        mode: Of onnxruntime, as its compressor says.
        rows: The dataset's arrays, (N, ...) each; drawn with repetition where they
            are fewer than parity wants.
        exporter: Says how many rows are compared, and the tolerance.

    Returns:
        A line a file, for the log.

    Raises:
        RefusedError: If a file answers otherwise than torch.
    """
    draw = np.random.default_rng(0)
    count = len(next(iter(rows.values())))
    at = draw.choice(count, exporter.rows, replace=exporter.rows > count)
    real = {name: np.asarray(x[at]) for name, x in rows.items()}
    lines = []
    with whole_folder(out) as folder:
        for k, seed in enumerate(origin["seeds"]):
            path = folder / f"seed-{seed}.onnx"
            model = build_predictor(predictor, k)
            contract = predictor_contract(predictor, k, origin, mode)
            shown = out / path.name
            for tried in dict.fromkeys(("exact", mode)):
                file = OnnxPredictor(model.SerializeToString(), contract, tried)
                parity = check_predictor_parity(
                    shown, predictor, k, file, real, draw, exporter.tolerance
                )
            write_onnx(path, model, {**contract, "parity": parity})
            size = path.stat().st_size
            lines.append(f"{shown}: {size} bytes, parity {parity['max']:.2g}")
        write_text(folder / "README.md", described(contract))
    return lines


def described(contract: Mapping[str, Any]) -> str:
    """README.md of a variant's files: what goes in, what comes out, how to ask."""
    name = contract["dataset"]["name"]
    rows = [
        f"| {side[:-1]} | `{key}` | {entry['dtype']} | {entry['shape']} |"
        for side in ("inputs", "outputs")
        for key, entry in contract[side].items()
    ]
    feed = ", ".join(f'"{key}": {key}' for key in contract["inputs"])
    lines = [
        f"# {name} / {contract['learner']} / {contract['variant']}",
        "",
        f"Predictors of the dataset {name}, one file a training seed. Beside each lies "
        "its contract as JSON.",
        "",
        "| | name | type | shape |",
        "|---|---|---|---|",
        *rows,
        "",
        "```python",
        "import onnxruntime",
        f'session = onnxruntime.InferenceSession("seed-{contract["seed"]}.onnx")',
        f"outputs = session.run(None, {{{feed}}})",
        "```",
    ]
    if solve := contract.get("solve"):
        said = ", ".join(f"{key} {value}" for key, value in solve.items())
        more = "One call is no prediction: a solver calls the file as often as it needs"
        lines += ["", f"{more} ({said})."]
    return "\n".join(lines) + "\n"
