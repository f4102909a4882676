"""Check one claim of a study that ran: ``python -m tasks.claims --claim NAME``.

Writes ``data/claims/NAME.json``.
"""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.artifacts.files import write_json
from tasks.artifacts.params import build, load, pick
from tasks.artifacts.stage import run_stage
from tasks.claims import Claim, Outcome
from tasks.claims.engine.results import Results

CLAIMS = Path("data/claims")


def told(name: str, claim: Claim, outcome: Outcome, results: Results) -> dict[str, Any]:
    """The content of the file."""
    return {
        "schema": 1,
        "claim": name,
        "study": results.params["study"]["name"],
        "statement": claim.params.statement,
        "paper": claim.params.paper,
        "seeds": results.seeds,
        "verdict": outcome.verdict,
        "checks": [
            {**asdict(check.figure), "bound": check.bound, "verdict": check.verdict}
            for check in outcome.checks
        ],
        "figures": [asdict(figure) for figure in outcome.figures],
    }


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claim", required=True)
    name = parser.parse_args().claim
    params = load()
    claim: Claim = build(pick(params, "claim", name), f"claim.{name}")
    results = Results(params)
    outcome = claim.outcome(results)
    CLAIMS.mkdir(parents=True, exist_ok=True)
    write_json(CLAIMS / f"{name}.json", told(name, claim, outcome, results))
    print(f"claim {name}: {outcome.verdict}")
    for check in outcome.checks:
        f = check.figure
        print(
            f"  {check.verdict}: {f.name}: {f.value:.4g} [{f.low:.4g}, {f.high:.4g}] "
            f"{f.unit}, wanted above {check.bound:g}"
        )


if __name__ == "__main__":
    raise SystemExit(run_stage(main))
