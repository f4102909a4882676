"""The project with stages of the shell in place of its own, for tests of studies."""

from pathlib import Path
from typing import Any

import yaml

from tests.e2e.project import ROOT, Project

DATASET = "pendulum_mixture"


class Small(Project):
    """The project's params/, Makefile and settings, a graph that takes a second.

    While the file ``hold`` is there, stage evaluate waits.

    Args:
        folder: Where; must not exist.
    """

    def fill(self) -> None:
        """See `Project`."""
        self.env["PYTHONPATH"] = str(ROOT)
        self.hold = self.folder.parent / "hold"
        self.copy("params", "Makefile", ".gitignore", ".dvcignore", ".dvc")
        text = yaml.safe_dump({"stages": graph(self.hold)}, sort_keys=False)
        (self.folder / "dvc.yaml").write_text(text)


def graph(hold: Path) -> dict[str, Any]:
    """Stages of the names, parameters and outputs of the project's own."""
    data = f"data/datasets/{DATASET}-v0"
    policies = f"data/policies/{DATASET}"
    scores = f"data/evaluations/{DATASET}"
    return {
        "generate": {
            "foreach": "${dataset}",
            "do": {
                "cmd": f"! grep 'policy: nobody' params.yaml && {copy('steps', data)}",
                "params": ["dataset.${key}"],
                "outs": [data],
            },
        },
        "train": {
            "matrix": {"dataset": [DATASET], "learner": ["bc"]},
            "cmd": [
                "echo 'bc: 1/2  actor_loss 0.1'",
                "if grep 'updates: 20000' params.yaml; then exec sleep 600; fi",
                copy("actor_rate", policies),
            ],
            "deps": [data, "environment.json"],
            "params": ["train.bc", "study.updates"],
            "outs": [policies],
        },
        "evaluate": {
            "cmd": [
                f"while [ -e {hold} ]; do sleep 0.05; done",
                copy("resamples", scores),
            ],
            "deps": [policies],
            "params": ["evaluate.returns"],
            "outs": [scores],
        },
        "report": {
            "cmd": [
                "mkdir -p data/report",
                f'sed \'s/.*: /{{"of": {{"/; s/$/": {{}}}}}}/\' {policies} '
                "> data/report/metrics.json",
            ],
            "deps": [policies, scores],
            "metrics": [{"data/report/metrics.json": {"cache": False}}],
        },
    }


def copy(key: str, path: str) -> str:
    """A command that writes the lines of a parameter, a moment later, in one step."""
    folder = str(Path(path).parent)
    write = f"grep '{key}:' params.yaml > {path}.tmp && mv {path}.tmp {path}"
    return f"mkdir -p {folder} && sleep 0.2 && {write}"
