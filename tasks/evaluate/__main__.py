"""Judge files: ``python -m tasks.evaluate --dataset D --learner L --variant V``.

What can be asked of a file is decided by what it is, which its contract says:

| kind | what is asked | writes below ``data/evaluations/<D>/<L>/<V>/`` |
|---|---|---|
| policy | its return in the dataset's world | ``episodes.parquet``, ``metrics.json`` |
| predictor | a metric, ``--metric M`` | ``<M>/rows.parquet``, ``<M>/metrics.json`` |

Of a compressed policy metrics.json also says how far its actions are from its float32
files', of tables also their regret.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.names import add_name
from tasks.artifacts.params import build, load
from tasks.artifacts.stage import run_stage
from tasks.artifacts.variants import Variant
from tasks.code.blocks import checked
from tasks.evaluate import Evaluator, Metric
from tasks.evaluate.engine import measuring, playing
from tasks.loggers import check_logger

Run = Callable[[Any, str, Variant, Mapping[str, Any]], str]
# by kind of artefact: the contract of the methods that judge it, and what runs them
JUDGES: dict[str, tuple[type[Any], Run]] = {
    "policy": (Evaluator, playing.evaluate),
    "predictor": (Metric, measuring.evaluate),
}
RETURNS = "returns"  # what is asked where no metric is named


def main() -> None:
    """Read the command line, and judge."""
    check_logger()
    params = load()
    parser = argparse.ArgumentParser(add_help=False)
    add_name(parser, "--metric")
    known, rest = parser.parse_known_args(sys.argv[1:])
    variant = Variant.parse(params, __doc__ or "", rest)
    kind, name = variant.kind(), str(known.metric or RETURNS)
    if kind not in JUDGES:
        where, kinds = next(iter(variant.files().values())), " or ".join(JUDGES)
        mend = "make it again with: dvc repro"
        raise RefusedError(where, "kind", kind, kinds, mend)
    method = build(checked(params, "evaluate", name), f"evaluate.{name}")
    contract, run = JUDGES[kind]
    if not isinstance(method, contract):
        mend = "leave --metric out"
        if kind == "predictor":
            mend = "name a metric of study.metrics, as in --metric accuracy"
        found = f"a {kind}, of which {name} says nothing"
        where, expected = next(iter(variant.files().values())), _judged(method)
        raise RefusedError(where, "kind", found, expected, mend)
    print(run(method, name, variant, params))


def _judged(method: Any) -> str:
    """What a method judges, in words."""
    kinds = [kind for kind, (of, _) in JUDGES.items() if isinstance(method, of)]
    return f"a {' or '.join(kinds)}" if kinds else "another method"


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
