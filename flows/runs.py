"""Runs that have lost their moment or their process."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flows.endpoint import call

HOUR = 3600  # seconds
LATE = 1  # hours after its time that a scheduled run is skipped
PAGE = 200  # runs asked for at once, the most Prefect gives
LOST = "lost: the process of this run ended without saying so"

Row = dict[str, Any]


def late() -> str:
    """Why the present flow run is not worth starting any more, or nothing.

    Runs pile up while a machine sleeps; the first one after it brings everything up to
    date. Only the schedule's own runs can be late, and not when somebody starts one of
    them again.
    """
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    if context is None or context.flow_run is None or context.flow_run.run_count > 1:
        return ""
    run = context.flow_run
    return _late(run.auto_scheduled, run.expected_start_time)


def skip_late(url: str) -> int:
    """Cancel the runs that were to start while no server ran; how many.

    Args:
        url: The API.
    """
    count = 0
    for row in _runs(url, "SCHEDULED"):
        at = row["expected_start_time"]
        why = _late(row["auto_scheduled"], at and datetime.fromisoformat(at))
        if why and row["run_count"] == 0:
            _end(url, row, "CANCELLED", why)
            count += 1
    return count


def crash_lost(url: str) -> int:
    """Mark as crashed what seems to run; how many. Only when nobody runs anything.

    Args:
        url: The API.
    """
    count = 0
    for row in _runs(url, "PENDING", "RUNNING", "CANCELLING"):
        _end(url, row, "CRASHED", LOST)
        count += 1
    return count


def _late(auto_scheduled: bool | None, at: datetime | None) -> str:
    if not auto_scheduled or at is None:
        return ""
    hours = (time.time() - at.timestamp()) / HOUR
    return f"skipped: {hours:.1f} h late, more than {LATE}" if hours > LATE else ""


def _runs(url: str, *types: str) -> Iterator[Row]:
    """Flow runs whose state is of one of these types."""
    rows: list[Row] = []
    while len(rows) % PAGE == 0:
        wanted = {"state": {"type": {"any_": types}}}
        body = {"flow_runs": wanted, "limit": PAGE, "offset": len(rows)}
        more = call(url, "flow_runs/filter", body)
        if not more:
            break
        rows += more
    return iter(rows)


def _end(url: str, row: Row, kind: str, why: str) -> None:
    """End a run, and the task runs in it that are not over."""
    state = {"type": kind, "message": why}
    call(url, f"flow_runs/{row['id']}/set_state", {"state": state, "force": True})
    body = {
        "flow_runs": {"id": {"any_": [row["id"]]}},
        "task_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING"]}}},
    }
    for task in call(url, "task_runs/filter", body):
        call(url, f"task_runs/{task['id']}/set_state", {"state": state, "force": True})
