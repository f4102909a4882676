"""The environment of processes that use Prefect here, and of its server.

Nothing is sent anywhere, and everything lies in ``.offcut/prefect`` of the project.
"""

import os
from pathlib import Path

from flows.server.endpoint import HOST, STARTING

NAMES = {HOST, "localhost"}
PORT = 4200  # of `make ui`, unless told otherwise

# what a server that only records runs need not do
IDLE = (
    "REGISTER_BLOCKS_ON_START",
    "SERVICES_CANCELLATION_CLEANUP_ENABLED",
    "SERVICES_CLEANUP_RECONCILER_ENABLED",
    "SERVICES_FOREMAN_ENABLED",
    "SERVICES_LATE_RUNS_ENABLED",
    "SERVICES_PAUSE_EXPIRATIONS_ENABLED",
    "SERVICES_REPOSSESSOR_ENABLED",
    "SERVICES_SCHEDULER_ENABLED",
    "SERVICES_TRIGGERS_ENABLED",
)


def home(root: Path) -> Path:
    """The folder in which Prefect keeps everything of a project."""
    return root / ".offcut" / "prefect"


def settings(root: Path) -> dict[str, str]:
    """The environment of every process that uses Prefect here.

    Args:
        root: The project, absolute.

    Returns:
        Variables that replace the user's own, except for the address of a server and
        how often it is asked again.
    """
    return {
        "PREFECT_HOME": str(home(root)),
        "PREFECT_PROFILES_PATH": str(home(root) / "profiles.toml"),
        # nothing is sent anywhere: of the library, the server, its pages in the browser
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
        "PREFECT_LOGFIRE_ENABLED": "false",
        # the server
        "PREFECT_SERVER_API_HOST": HOST,
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(STARTING),
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        # SQLite has one writer: wait for it, and let clients ask again
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": (
            f"sqlite+aiosqlite:///{home(root) / 'prefect.db'}"
        ),
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
        "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
        "PREFECT_CLIENT_MAX_RETRIES": os.environ.get("PREFECT_CLIENT_MAX_RETRIES", "3"),
        "PREFECT_API_REQUEST_TIMEOUT": "120",
        # a slot taken outlives the server, so that it is given back after a restart
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        # an error of a flow is kept as text
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        # seconds: between a click and its run; until a waiting run tries again
        "PREFECT_RUNNER_POLL_FREQUENCY": "2",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "5",
        # lines of a stage are told where there is no run too, e.g. by a test
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_LOGGING_COLORS": "false",
    }


def server_settings(port: int, services: bool) -> dict[str, str]:
    """The environment that only the server's own process needs.

    Args:
        port: Where it listens, on loopback.
        services: Whether it schedules, and notices late and lost runs.
    """
    origins = ",".join(f"http://{name}:{port}" for name in sorted(NAMES))
    idle = {} if services else {f"PREFECT_SERVER_{name}": "false" for name in IDLE}
    return {
        "PREFECT_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_API_URL": f"http://{HOST}:{port}/api",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins,
        **idle,
    }
