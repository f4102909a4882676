"""DVCLive: a folder a run, ``<group>/<name>``, with metrics.json and a table a number.

The folder is git's to ignore and no output of DVC's: DVCLive makes no experiment, since
a study is one already, and writes no dvc.yaml.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from dvclive import Live

from tasks import loggers


class Run(loggers.Run):
    """A folder as DVCLive writes it."""

    def __init__(self, folder: Path, group: str, name: str) -> None:
        place = folder / group / name
        shutil.rmtree(place, ignore_errors=True)
        self.live = Live(str(place), save_dvc_exp=False, dvcyaml=None)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """A line in the table of each number."""
        self.live.step = step
        for name, value in metrics.items():
            self.live.log_metric(name, value)
        self.live.make_summary()

    def close(self) -> None:
        """Write metrics.json for the last time."""
        self.live.end()
