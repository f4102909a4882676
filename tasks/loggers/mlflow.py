"""MLflow: an experiment a group, in its store of files; no server, nothing is sent.

The store of files needs neither a database nor its migrations, which take seconds and
which two trainings that begin together would both make. MLflow asks for a variable to
allow it, and so does its page:

    MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri .offcut/logs/mlflow
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

# it reads them when it is imported
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

from mlflow import MlflowClient
from mlflow.entities import Metric

from tasks import loggers


class Run(loggers.Run):
    """A run of MLflow's."""

    def __init__(self, folder: Path, group: str, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.client = MlflowClient(folder.resolve().as_uri())
        there = self.client.get_experiment_by_name(group)
        place = there.experiment_id if there else self.client.create_experiment(group)
        for old in self.client.search_runs([place], f"attributes.run_name = '{name}'"):
            self.client.delete_run(old.info.run_id)
        self.id = self.client.create_run(place, run_name=name).info.run_id

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """A point of each number."""
        now = int(time.time() * 1000)
        points = [Metric(name, value, now, step) for name, value in metrics.items()]
        self.client.log_batch(self.id, points)

    def close(self) -> None:
        """Mark the run as finished."""
        self.client.set_terminated(self.id)
