"""Draw the graph of dvc.yaml by groups of stages: ``python -m flows.draw``.

Writes docs/graph.svg. Blue is what the study of params.yaml runs. Lines that follow
from others are left out, and the stage `code`, which all others read.
"""

import sys
from pathlib import Path

from flows.picture.drawing import drawn
from flows.picture.groups import graph
from tasks.artifacts.files import write_text
from tasks.artifacts.stage import run_stage

PICTURE = Path("docs/graph.svg")


def main() -> None:
    """Draw it, and print where it lies."""
    write_text(PICTURE, drawn(graph(Path.cwd())))
    print(f"graph: {PICTURE}")  # noqa: T201, a command prints


if __name__ == "__main__":
    sys.exit(run_stage(main))
