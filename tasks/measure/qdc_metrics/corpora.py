"""Corpora from files, measured side by side: as many records and tokens of each."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import write_json
from tasks.measure.qdc_metrics import text
from tasks.measure.qdc_metrics.corpus import Record
from tasks.measure.qdc_metrics.figures import Bootstrap, blocks

if TYPE_CHECKING:
    from tasks.measure.qdc_metrics import QdcParams

LEAST = 10  # records
KINDS: dict[str, tuple[type, ...]] = {
    "prompt": (str,),
    "response": (str,),
    "answer": (int,),
    "verdict": (bool,),
    "reward": (int, float),
    "attributes": (dict,),
}


def measure(
    corpora: Mapping[str, Sequence[Record]], params: "QdcParams"
) -> dict[str, dict[str, Any]]:
    """Figures of corpora, by name, each as metrics.json has them.

    Args:
        corpora: Records by name.
        params: seed, episodes (most records), tokens, bleu_records, resamples,
            confidence.

    Raises:
        RefusedError: If one has fewer than 10 records or an empty response.
    """
    for name, records in corpora.items():
        check(name, records)
    p, n = params, min([params.vendi_points, *map(len, corpora.values())])
    shuffled = {
        name: [
            records[i]
            for i in np.random.default_rng([p.seed, len(records)]).permutation(
                len(records)
            )[:n]
        ]
        for name, records in corpora.items()
    }
    sizes = [
        sum(len(text.tokens(record.text)) for record in records)
        for records in shuffled.values()
    ]
    budget = min([p.tokens, *sizes])
    total = _combinations([r for records in shuffled.values() for r in records])
    metrics = {}
    for name, records in shuffled.items():
        boot = Bootstrap(n, p.resamples, p.confidence, p.seed)
        letters = {
            "quality": text.quality(records, boot),
            "diversity": text.diversity(
                records, boot, budget=budget, bleu=p.bleu_records, total=total
            ),
            "complexity": text.complexity(records, boot),
        }
        metrics[name] = {
            "schema": 1,
            "corpus": name,
            "world": "text",
            "peers": list(corpora),
            "episodes": n,
            "steps": budget,
            "seed": p.seed,
            "confidence": p.confidence,
            "resamples": p.resamples,
            "bandwidth": None,
            **blocks(letters),
        }
    return metrics


def check(where: object, records: Sequence[Record]) -> None:
    """Refuse a corpus that nothing can be said of.

    Raises:
        RefusedError: Naming the record.
    """
    if len(records) < LEAST:
        raise RefusedError(
            where, "records", len(records), f"at least {LEAST}", "add records"
        )
    for number, record in enumerate(records):
        if not record.response.strip():
            raise RefusedError(
                where,
                f"record {number}, response",
                "an empty text",
                "a response",
                "drop that record",
            )


def _combinations(records: Sequence[Record]) -> int:
    """Combinations of the attributes' values that occur; 0 where some have none."""
    names = {tuple(sorted(record.attributes)) for record in records}
    if len(names) != 1 or not (keys := next(iter(names))):
        return 0
    return int(np.prod([len({r.attributes[k] for r in records}) for k in keys]))


def read(path: Path) -> list[Record]:
    """Records of a file of JSON lines: prompt, response, and what else is known.

    Raises:
        RefusedError: Naming the line and field that is missing, unknown or of the wrong
            kind.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedError(
            path, "file", error, "JSON lines in UTF-8", "name another file"
        ) from error
    return [_record(path, number, line) for number, line in enumerate(lines, 1)]


def _record(path: Path, number: int, line: str) -> Record:
    """One line."""

    def refused(field: str, found: object, expected: object) -> RefusedError:
        where = f"line {number}{', ' if field else ''}{field}"
        return RefusedError(path, where, found, expected, "mend that line")

    try:
        fields = json.loads(line)
    except ValueError as error:
        raise refused("", error, "a JSON object") from error
    if not isinstance(fields, dict):
        raise refused("", f"{fields!r:.40}", "a JSON object")
    for name in ("prompt", "response"):
        if name not in fields:
            raise refused(name, "nothing", "a text")
    for name, value in fields.items():
        if name not in KINDS:
            raise refused(name, "an unknown field", f"one of {', '.join(KINDS)}")
        flag = isinstance(value, bool) and bool not in KINDS[name]
        if flag or not isinstance(value, KINDS[name]):
            kinds = " or ".join(kind.__name__ for kind in KINDS[name])
            raise refused(name, f"{value!r:.40}", kinds)
    return Record(**fields)


def measure_files(paths: Sequence[Path], params: "QdcParams") -> list[str]:
    """Measure files side by side and write ``FILE.qdc.json`` beside each.

    Returns:
        A line a file.
    """
    corpora = {str(path): read(path) for path in paths}
    metrics = measure(corpora, params)
    for path in paths:
        write_json(path.with_name(f"{path.name}.qdc.json"), metrics[str(path)])
    return [
        f"{name}: accuracy {one['quality']['accuracy']['value']}, vendi "
        f"{one['diversity']['vendi']['value']:.3g}, depth "
        f"{one['complexity']['depth']['value']}"
        for name, one in metrics.items()
    ]
