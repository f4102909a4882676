"""A language model that learns from its own samples, filtered in two ways.

It writes lines such as ``((7 + 5) * 2) = 24``, one operation or two, operands 1 to 9.
Round 0 has learned from right ones. Then each round it writes ``samples`` lines, a
verifier says which are right, some of these are kept, and it learns on from them:

| filter | keeps |
|---|---|
| ``cells`` | of the right lines of each cell the one the model finds likeliest |
| ``quality`` | right lines, drawn evenly, as many as ``cells`` kept in that round |

A cell is the operations in their order and the first number: 108 of them. Both learn
for as many steps.

Shapes: S seeds, B lines, T characters, V symbols.
"""

import copy
import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

import tasks
from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import canonical, read_json, sha256, write_json
from tasks.artifacts.progress import Progress
from tasks.artifacts.seeding import chance, torch_chance
from tasks.beds.qdc_metrics.arms import KEPT, MADE_BY
from tasks.measure.qdc_metrics import QdcParams
from tasks.measure.qdc_metrics.corpora import measure
from tasks.measure.qdc_metrics.corpus import TOPICS, Record, problem
from tasks.measure.qdc_metrics.expressions import parse
from tasks.nets.language import CharacterModel
from tasks.statistics.composition import compose

SYMBOLS = "\n0123456789()+-*= "  # the first ends a line, and begins one
LENGTH = 20  # characters of the longest line, with its end
FILTERS = ("cells", "quality")  # the first says how many lines both keep
SOURCES = ("claims/_qdc/rounds.py", "nets/language.py", "report/_*.py")


@dataclass(frozen=True)
class Rounds:
    """See params/claims/qdc_metrics.yaml, where the names begin with ``text_``."""

    seeds: tuple[int, ...]
    rounds: int
    lines: int
    samples: int
    steps: int
    more_steps: int
    batch: int
    rate: float
    width: int


def run(told: Rounds, metrics: QdcParams) -> dict[str, Any]:
    """The loop with both filters, or what is kept of it.

    Returns:
        By filter: ``diversity``, mean z-scores over a seed's corpora, and ``accuracy``,
        the share of right lines, (S, rounds + 1) each; ``kept``, lines, (S, rounds).
    """
    here = Path(tasks.__path__[0])
    files = sorted(file for one in SOURCES for file in here.glob(one))
    whole = [asdict(told), vars(metrics), torch.__version__, *map(sha256, files)]
    name = hashlib.sha256(canonical(whole).encode()).hexdigest()[:16]
    path = KEPT / f"rounds-{name}.json"
    if not path.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        write_json(path, looped(told, metrics))
    found: dict[str, Any] = read_json(path, MADE_BY)
    return found


def looped(told: Rounds, metrics: QdcParams) -> dict[str, Any]:
    """See :func:`run`."""
    torch.set_num_threads(1)
    steps = told.steps + len(FILTERS) * told.rounds * told.more_steps
    corpora: dict[str, list[list[Record]]] = {}  # by filter and round, a list a seed
    kept: dict[str, list[list[int]]] = {name: [] for name in FILTERS}
    with Progress("learning from own lines", steps, lines=10) as bar:
        first = begun(told)
        taught = [gold(told.lines, chance(seed, "gold")) for seed in told.seeds]
        done = learn(first, taught, told.steps, told, "first", bar, 0)
        drawn = written(first, told, "first")
        for name in FILTERS:
            model, lines = copy.deepcopy(first), drawn
            corpora[f"{name} 0"] = [records(some) for some in drawn]
            for k in range(1, told.rounds + 1):
                word, likely = f"{name} {k}", likelihoods(model, lines)
                chosen = [
                    best_of_cells(some, likely[s])
                    if name == "cells"
                    else right_ones(some, kept["cells"][k - 1][s], chance(seed, word))
                    for s, (seed, some) in enumerate(
                        zip(told.seeds, lines, strict=True)
                    )
                ]
                kept[name].append([len(one) for one in chosen])
                done = learn(model, chosen, told.more_steps, told, word, bar, done)
                lines = written(model, told, word)
                corpora[word] = [records(some) for some in lines]
    return judged(corpora, kept, told, metrics)


def judged(
    corpora: dict[str, list[list[Record]]],
    kept: dict[str, list[list[int]]],
    told: Rounds,
    metrics: QdcParams,
) -> dict[str, Any]:
    """Measure the corpora of each seed side by side; see :func:`run`."""
    found: dict[str, Any] = {
        name: {
            "diversity": [],
            "accuracy": [],
            "kept": np.transpose(kept[name]).tolist(),
        }
        for name in FILTERS
    }
    for s in range(len(told.seeds)):
        measured = measure({name: one[s] for name, one in corpora.items()}, metrics)
        rows = {row.name: row for row in compose(measured, "claim")}
        for name in FILTERS:
            every = [f"{name} {k}" for k in range(told.rounds + 1)]
            spread = [rows[one].letters["diversity"] for one in every]
            right = [measured[one]["quality"]["accuracy"]["value"] for one in every]
            found[name]["diversity"].append(spread)
            found[name]["accuracy"].append(right)
    return found


def gold(count: int, draw: np.random.Generator) -> list[str]:
    """Right lines of one operation or two."""
    depths = draw.integers(1, 3, count)
    return [problem("plain", TOPICS[0], 9, int(d), draw).response for d in depths]


def cell_of(line: str) -> str:
    """The operations in their order and the first number."""
    expression = line.partition(" = ")[0]
    first = re.search(r"\d+", expression)
    return (
        f"{first[0] if first else ''} {''.join(re.findall(r' ([-+*]) ', expression))}"
    )


def is_right(line: str) -> bool:
    """Whether it is an expression and what it comes to."""
    parsed = parse(line)
    return parsed is not None and parsed.value == parsed.stated


def records(lines: Sequence[str]) -> list[Record]:
    """As the report measures them; empty lines are left out."""
    return [
        Record("", line, verdict=is_right(line), attributes={"cell": cell_of(line)})
        for line in lines
        if line.strip()
    ]


def best_of_cells(lines: Sequence[str], likely: NDArray[np.float64]) -> list[str]:
    """Of each cell's right lines the likeliest; ``likely`` (N,) in the model's eyes.

    Raises:
        RefusedError: If no line is right.
    """
    best: dict[str, int] = {}
    for i in right_rows(lines):
        cell = cell_of(lines[i])
        if cell not in best or likely[i] > likely[best[cell]]:
            best[cell] = i
    return [lines[i] for i in best.values()]


def right_ones(
    lines: Sequence[str], count: int, draw: np.random.Generator
) -> list[str]:
    """Some right lines, all where there are no more; raises as the other filter."""
    return [lines[i] for i in draw.permutation(right_rows(lines))[:count]]


def right_rows(lines: Sequence[str]) -> list[int]:
    """Numbers of the right lines, at least one."""
    right = [i for i, line in enumerate(lines) if is_right(line)]
    if not right:
        raise RefusedError(
            "lines the model wrote",
            "right ones",
            f"none of {len(lines)}",
            "at least one to learn on from",
            "raise claim.qdc_metrics.text_steps or text_samples",
        )
    return right


def begun(told: Rounds) -> CharacterModel:
    """A model of each seed, untrained."""
    size = (len(told.seeds), len(SYMBOLS), told.width, 2, 2, LENGTH)
    model = CharacterModel(*size)
    model.initialise([torch_chance(seed, "language") for seed in told.seeds])
    return model


def coded(lines: Sequence[str]) -> Tensor:
    """(N, T + 1): an end of line, the line, and ends of line."""
    rows = [f"\n{line}".ljust(LENGTH + 1, "\n")[: LENGTH + 1] for line in lines]
    return torch.tensor([[SYMBOLS.index(sign) for sign in row] for row in rows])


def nats(model: CharacterModel, rows: Tensor) -> Tensor:
    """Of each line (S, B, T + 1), the sum to its end: (S, B)."""
    given, wanted = rows[..., :-1], rows[..., 1:]
    losses = functional.cross_entropy(
        model(given).flatten(0, 2), wanted.flatten(), reduction="none"
    ).view(wanted.shape)
    ended = (wanted == 0).cumsum(-1) > (wanted == 0)  # after the first end
    return (losses * ~ended).sum(-1)


def learn(
    model: CharacterModel,
    lines: Sequence[Sequence[str]],
    steps: int,
    told: Rounds,
    word: str,
    bar: Progress,
    done: int,
) -> int:
    """Adam on each seed's own lines, drawn with repetition; returns steps in all."""
    optimiser = torch.optim.Adam(model.parameters(), told.rate, fused=True)
    rows = [coded(some) for some in lines]
    draws = [torch_chance(seed, word, "lines") for seed in told.seeds]
    for step in range(steps):
        batch = torch.stack(
            [
                some[torch.randint(len(some), (told.batch,), generator=draw)]
                for some, draw in zip(rows, draws, strict=True)
            ]
        )
        optimiser.zero_grad()
        nats(model, batch).mean(1).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        bar(done + step + 1, word)
    return done + steps


def written(model: CharacterModel, told: Rounds, word: str) -> list[list[str]]:
    """Lines the model writes, as likely as it finds them; a list a seed."""
    shape = (len(told.seeds), told.samples)
    rows = torch.zeros((*shape, LENGTH + 1), dtype=torch.int64)
    draws = [torch_chance(seed, word, "written") for seed in told.seeds]
    with torch.no_grad():
        for t in range(LENGTH):
            odds = model(rows[..., :-1])[:, :, t].softmax(-1)
            for s, draw in enumerate(draws):
                picked = torch.multinomial(odds[s], 1, generator=draw)[:, 0]
                rows[s, :, t + 1] = picked
    return [[_text(row) for row in some] for some in rows[..., 1:].tolist()]


def likelihoods(
    model: CharacterModel, lines: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    """Logarithms, (S, N)."""
    with torch.no_grad():
        found = -nats(model, torch.stack([coded(some) for some in lines]))
    return found.double().numpy()


def _text(row: Sequence[int]) -> str:
    """Up to the first end of line."""
    return "".join(SYMBOLS[i] for i in row).partition("\n")[0]
