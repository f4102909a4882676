"""Keep the study `samplers`, and write it up: docs/samplers.md and its picture.

    python -m benchmarks.samplers [FOLDER]

FOLDER is where the study ran (``python -m flows.study samplers --keep``, or a checkout
of its experiment after ``dvc checkout``). What it measured is kept in
data/studies/samplers; without FOLDER only page and picture are written.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.tables import table
from tasks.report.cores.svg import Scale, axes, line, mark, padded, path, svg, tag

HERE = Path(__file__).parents[1]
KEPT = HERE / "data/studies/samplers"
PAGE, PICTURE = HERE / "docs/samplers.md", HERE / "docs/samplers.svg"
POLICY = "hopper_medium_replay/dql"
OWN = "float32"  # the variant that acts by the policy's own sampler
HEAD = """# A diffusion policy in few network calls

The study `samplers`: one policy on hopper_medium_replay, three seeds, that clones the
data (DQL with eta 0) through 20 denoising times;
[its parameters](../params/study/samplers.yaml) say the rest. Each row is ONNX files of
its own, one graph with all calls in it, played from the same starts.
`make study NAME=samplers` runs it again.

Score: 0 is the random policy, 100 the best behaviour policy; the interquartile mean
over seeds and 20 episodes, with its 95 % interval. Action error: difference from a DDIM
that calls at all 20 times, from the same noise, mean over observations of the dataset,
actions and seeds, in halves of an action's range; DDPM draws more noise on its way,
which is in its figure. Latency: one observation, one thread, onnxruntime.

![Action error and score by the number of network calls](samplers.svg)
"""
TAIL = """Where the network is known exactly, on mixtures of Gaussians, samplers are
compared in the claims of [deis](claims/deis.md) and
[dc_solver](claims/dc_solver.md)."""
WIDTH, HEIGHT, SIDE = 420, 300, 46
STYLE = """
text{font:12px system-ui,sans-serif;fill:#333}.head{font-weight:600}
.end{text-anchor:end}.mid{text-anchor:middle}
.grid{stroke:#ddd}.axis{stroke:#888}.level{stroke:#333;stroke-dasharray:4 3}
.c0{--c:#718096}.c1{--c:#b7791f}.c2{--c:#2b6cb0}.c3{--c:#2f855a}.c4{--c:#7b3fa0}
.c5{--c:#c53030}.way{fill:none;stroke:var(--c);stroke-width:1.6}.mark{fill:var(--c)}
@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.level{stroke:#ddd}}
"""

Row = Mapping[str, Any]


def collect(data: Path) -> list[dict[str, Any]]:
    """What was measured of each variant, in the order of the page.

    Args:
        data: The study's folder of that name.
    """

    def read(*parts: str) -> Any:
        return json.loads(data.joinpath(*parts).read_text(encoding="utf-8"))

    rows = []
    for folder in sorted((data / "onnx" / POLICY).iterdir()):
        played = read("evaluations", POLICY, folder.name, "metrics.json")
        timed = read("profiles", POLICY, folder.name, "latency.json")
        row = {
            "variant": folder.name,
            "score": {key: played["score"][key] for key in ("low", "iqm", "high")},
            "p50_us": timed["batches"]["1"]["p50_us"],
            "bytes": (folder / "seed-0.onnx").stat().st_size,
        }
        if folder.name != OWN:
            told = read("onnx", POLICY, folder.name, "sampler.json")
            row |= {key: told[key] for key in ("sampler", "calls", "action_error")}
        rows.append(row)
    return sorted(rows, key=lambda r: (r.get("calls", 0), r.get("sampler", "")))


def page(rows: Sequence[Row]) -> str:
    """The page's text."""
    cells = []
    for row in rows:
        score, error = row["score"], row.get("action_error")
        cells.append(
            [
                f"`{row['sampler']}`" if error else "the policy's own, DDPM",
                row["calls"] if error else 20,
                f"{error['mean']:.4f}" if error else "-",
                f"{score['iqm']:.1f} [{score['low']:.1f}, {score['high']:.1f}]",
                f"{row['p50_us']:.0f}",
                f"{row['bytes'] / 1000:.1f}",
            ]
        )
    head = "sampler | network calls | action error | score | p50 µs | file kB"
    return "\n".join([HEAD, found(rows), "", table(head, cells), "", TAIL]) + "\n"


def found(rows: Sequence[Row]) -> str:
    """In a sentence: who errs least, and whose score is below the policy's own."""
    own = next(row for row in rows if row["variant"] == OWN)
    tried = [row for row in rows if row["variant"] != OWN]
    least: dict[int, Row] = {}
    for row in sorted(tried, key=lambda r: -r["action_error"]["mean"]):
        least[row["calls"]] = row
    names = [f"`{row['sampler']}` with {n}" for n, row in sorted(least.items())]
    below = [
        f"`{row['sampler']}` with {row['calls']}"
        for row in tried
        if row["score"]["high"] < own["score"]["low"]
    ]
    return (
        f"Least action error: {', '.join(names)} calls. Score's interval below the "
        f"policy's own: {', '.join(below) or 'none'}."
    )


def draw(rows: Sequence[Row]) -> str:
    """An SVG file: action error and score, each against the network calls."""
    own = next(row for row in rows if row["variant"] == OWN)
    tried = [row for row in rows if row["variant"] != OWN]
    names = sorted({row["sampler"] for row in tried})

    def panel(
        of: Callable[[Row], float], title: str, left: float, level: float | None
    ) -> list[str]:
        values = [of(row) for row in tried] + ([] if level is None else [level])
        log = level is None
        calls = [row["calls"] for row in tried]
        x = Scale(*padded(calls, log=True), left + SIDE, left + WIDTH - 20, log=True)
        y = Scale(*padded(values, log=log), HEIGHT - 46, 52, log=log)
        parts = [
            axes(x, y, lambda v: f"{v:g}", lambda v: f"{v:g}", counts=(3, 5)),
            tag("text", title, x=left + SIDE, y=40, class_="head"),
            tag("text", "network calls", x=x.end, y=HEIGHT - 12, class_="end"),
        ]
        if level is not None:
            parts.append(line(x.start, y(level), x.end, y(level), "level"))
            said = "the policy's own 20 calls"
            parts.append(tag("text", said, x=x.start + 4, y=y(level) - 5))
        for i, name in enumerate(names):
            points = [
                (x(row["calls"]), y(of(row))) for row in tried if row["sampler"] == name
            ]
            parts.append(path(points, f"way c{i}"))
            parts += [mark(i, *point, f"c{i}") for point in points]
        return parts

    legend, at = [], float(SIDE)
    for i, name in enumerate(names):
        legend += [mark(i, at, 12, f"c{i}"), tag("text", name, x=at + 10, y=16)]
        at += 30 + 7.5 * len(name)
    error = panel(lambda r: r["action_error"]["mean"], "action error", 0, None)
    score = panel(lambda r: r["score"]["iqm"], "score", WIDTH, own["score"]["iqm"])
    title = "Action error and score by the number of network calls"
    parts = [tag("style", STYLE), *legend, *error, *score]
    size = 2 * WIDTH, HEIGHT
    return f"{svg(*size, title, *parts, xmlns='http://www.w3.org/2000/svg')}\n"


def main() -> None:
    """See the module."""
    if sys.argv[1:]:
        folder = Path(sys.argv[1])
        KEPT.mkdir(parents=True, exist_ok=True)
        text = json.dumps(collect(folder / "data"), indent=1, sort_keys=True) + "\n"
        (KEPT / "results.json").write_text(text, encoding="utf-8")
        for name in ("params.yaml", "environment.json"):
            shutil.copyfile(folder / name, KEPT / name)
        shutil.copyfile(folder / "data/report/index.html", KEPT / "report.html")
    rows = json.loads((KEPT / "results.json").read_text(encoding="utf-8"))
    PAGE.write_text(page(rows), encoding="utf-8")
    PICTURE.write_text(draw(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
