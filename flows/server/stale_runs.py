"""Flow runs that are over without knowing: too late to start, or without a process."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flows.server.endpoint import call

HOUR = 3600  # seconds
LATE = 1  # hours after its time that a scheduled run is skipped
PAGE = 200  # runs asked for at once, the most Prefect gives
LOST = "lost: the process of this run ended without saying so"

Row = dict[str, Any]


def late() -> str:
    """Why the present flow run is too late to be worth running; empty if it is not.

    Runs pile up while a machine sleeps, and the first one afterwards brings everything
    up to date. Only the schedule's own runs can be late, and not when somebody starts
    one of them again.
    """
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.run_count > 1:
        return ""
    run = context.flow_run
    return _lateness(run.auto_scheduled, run.expected_start_time)


def skip_late(url: str) -> int:
    """Cancel the scheduled runs that were to start while no server ran.

    Args:
        url: The address of the server's API.

    Returns:
        How many were cancelled.
    """
    count = 0
    for row in _runs_in(url, "SCHEDULED"):
        at = row["expected_start_time"]
        why = _lateness(row["auto_scheduled"], at and datetime.fromisoformat(at))
        if why and row["run_count"] == 0:
            _end(url, row, "CANCELLED", why)
            count += 1
    return count


def crash_lost(url: str) -> int:
    """Mark every run as crashed that its server believes to be running.

    To be called only when no process of this project runs anything.

    Args:
        url: The address of the server's API.

    Returns:
        How many were marked.
    """
    count = 0
    for row in _runs_in(url, "PENDING", "RUNNING", "CANCELLING"):
        _end(url, row, "CRASHED", LOST)
        count += 1
    return count


def _lateness(auto_scheduled: bool | None, at: datetime | None) -> str:
    """Why a run that was due at a time is too late; empty if it is not."""
    if not auto_scheduled or at is None:
        return ""
    hours = (time.time() - at.timestamp()) / HOUR
    return f"skipped: {hours:.1f} h late, more than {LATE}" if hours > LATE else ""


def _runs_in(url: str, *types: str) -> Iterator[Row]:
    """Flow runs whose state is of one of some types."""
    rows: list[Row] = []
    while len(rows) % PAGE == 0:
        of_types = {"state": {"type": {"any_": types}}}
        body = {"flow_runs": of_types, "limit": PAGE, "offset": len(rows)}
        more = call(url, "flow_runs/filter", body)
        if not more:
            break
        rows += more
    return iter(rows)


def _end(url: str, row: Row, state_type: str, why: str) -> None:
    """Set the final state of a run, and of the task runs in it that are not over."""
    state = {"type": state_type, "message": why}
    call(url, f"flow_runs/{row['id']}/set_state", {"state": state, "force": True})
    body = {
        "flow_runs": {"id": {"any_": [row["id"]]}},
        "task_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING"]}}},
    }
    for task in call(url, "task_runs/filter", body):
        call(url, f"task_runs/{task['id']}/set_state", {"state": state, "force": True})
