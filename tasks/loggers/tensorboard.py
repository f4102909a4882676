"""TensorBoard: a folder of event files a run, ``<group>/<name>``."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from tasks import loggers


class Run(loggers.Run):
    """A run as TensorBoard shows it: a line in each chart."""

    def __init__(self, folder: Path, group: str, name: str) -> None:
        place = folder / group / name
        shutil.rmtree(place, ignore_errors=True)
        self.writer = SummaryWriter(str(place))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """A point in the chart of each number."""
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()  # so that it is seen at once

    def close(self) -> None:
        """End the file."""
        self.writer.close()
