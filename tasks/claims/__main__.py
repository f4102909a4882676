"""Check one claim of a study that ran: ``python -m tasks.claims --claim NAME``.

Writes ``data/claims/NAME.json``. ``--pages`` instead writes docs/claims.md and
docs/claims/ again from all such files, which ``make claim`` and ``make claims`` do too.
"""

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tasks.artifacts.errors import RefusedError
from tasks.artifacts.files import write_json
from tasks.artifacts.names import add_name
from tasks.artifacts.params import build, load
from tasks.artifacts.stage import run_stage
from tasks.claims import Claim, ClaimParams, Outcome
from tasks.claims.engine.content import CLAIMS, SCHEMA
from tasks.claims.engine.pages import write_pages
from tasks.claims.engine.results import Results
from tasks.code.blocks import checked


def content(
    name: str, claim: Claim[ClaimParams], outcome: Outcome, results: Results
) -> dict[str, Any]:
    """The content of the file."""
    primary = outcome.primary
    return {
        "schema": SCHEMA,
        "claim": name,
        "study": results.params["study"]["name"],
        "statement": claim.params.statement,
        "paper": claim.params.paper,
        "seeds": drawn_with(claim, results),
        "verdict": outcome.verdict,
        "refused": outcome.refused,
        "primary": {
            **asdict(primary.figure),
            "bound": primary.bound,
            "smallest": primary.smallest,
            "pilot_sd": primary.pilot_sd,
            "pilot": claim.params.pilot,
            "measures": claim.params.primary,
            "verdict": primary.verdict,
        },
        "gates": [
            {
                **asdict(gate.figure),
                "kind": gate.kind,
                "rule": gate.rule,
                "passed": gate.passed,
            }
            for gate in outcome.gates
        ],
        "figures": [asdict(figure) for figure in outcome.figures],
    }


def drawn_with(claim: Claim[ClaimParams], results: Results) -> list[int]:
    """Numbers its replicates were drawn with: its bed's, or the study's seeds."""
    beds = results.params.get("bed", {})
    bed = beds.get(Path(claim.params.bed).name, {})
    listed = (bed.get(key) for key in ("seeds", "networks", "mixtures"))
    return next((some for some in listed if isinstance(some, list)), results.seeds)


def judged(claim: Claim[ClaimParams], results: Results, name: str) -> Outcome:
    """What came of a claim.

    Raises:
        RefusedError: If a file is not as described, or the files do not go together:
            an arm or a seed is missing, tables differ in size, a figure is no number
            or has neither an interval nor a reason why it is exact.
    """
    try:
        outcome = claim.outcome(results)
        figures = [outcome.primary.figure, *(gate.figure for gate in outcome.gates)]
        figures += outcome.figures
        for figure in figures:
            if not np.isfinite([figure.value, figure.low, figure.high]).all():
                raise ArithmeticError(f"{figure.name}: {figure.value}")
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}"
        expected = "what the claim compares, of every dataset, arm and seed"
        mend = "make the study again with: dvc repro"
        raise RefusedError(f"claim {name}", "results", found, expected, mend) from error
    return outcome


def check(name: str, params: Mapping[str, Any]) -> None:
    """Check a claim, write its file and say what was seen.

    Args:
        name: Of the claim.
        params: The composed study.
    """
    claim: Claim[ClaimParams] = build(checked(params, "claim", name), f"claim.{name}")
    results = Results(params)
    outcome = judged(claim, results, name)
    CLAIMS.mkdir(parents=True, exist_ok=True)
    write_json(CLAIMS / f"{name}.json", content(name, claim, outcome, results))
    print(f"claim {name}: {outcome.verdict}")
    f, bound = outcome.primary.figure, outcome.primary.bound
    print(
        f"  {f.name}: {f.value:.4g} [{f.low:.4g}, {f.high:.4g}] {f.unit}, n = {f.n}, "
        f"above {bound:g} was to be seen"
    )
    for reason in outcome.refused:
        print(f"  {reason}")


def main() -> None:
    """Check a claim, or write the pages."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    which = parser.add_mutually_exclusive_group(required=True)
    add_name(which, "--claim", help="a block of claim in params.yaml")
    which.add_argument("--pages", action="store_true", help="write docs/claims again")
    arguments = parser.parse_args()
    if arguments.pages:
        write_pages(Path())
    else:
        check(arguments.claim, load())


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
