"""A server that is there, one for a while, and what it must never do."""

import http.client
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.server.endpoint import HOST, bound, call
from flows.server.settings import home, settings
from flows.server.start import api, running, started
from tasks.artifacts.errors import RefusedError
from tests.flows.ui import alive, environment, family, free_port, until

pytestmark = pytest.mark.prefect

# a flow of N tasks on a server for the while; then what the database holds
FLOW = """
import sys, json
from pathlib import Path
from flows.server.start import api
with api(Path.cwd()) as url:
    from prefect import flow, task
    @task
    def one(n):
        print("task", n)
    @flow(log_prints=True)
    def many():
        for future in [one.submit(n) for n in range(int(sys.argv[1]))]:
            future.result()
    many()
    print("url", url, flush=True)
    if sys.argv[2:]:
        sys.stdin.readline()
"""


def run(root: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", FLOW, *arguments],
        cwd=root,
        env=environment(root),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def states(root: Path) -> dict[str, int]:
    with sqlite3.connect(home(root) / "prefect.db") as base:
        rows = base.execute("select state_type, count(*) from task_run group by 1")
        return dict(rows.fetchall())


@pytest.fixture(scope="module")
def root(
    tmp_path_factory: pytest.TempPathFactory, warm: Callable[[Path], None]
) -> Path:
    made = tmp_path_factory.mktemp("project")
    warm(made)
    return made


@pytest.fixture(scope="module")
def url(root: Path) -> Iterator[str]:
    """A server with everything on, in a project that others use meanwhile."""
    with started(root, bound(0), services=True) as url:
        (home(root) / "url").write_text(url)
        yield url


@pytest.fixture(autouse=True)
def _no_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


def test_importing_it_does_not_import_prefect():
    code = (
        "import sys, flows.server.start, flows.serve, flows.server.stale_runs; "
        "print(*sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    assert "flows.server.start" in said.split()
    assert "prefect" not in said.split()


def test_every_setting_is_one_prefect_knows(tmp_path: Path):
    code = """
import json
from prefect.settings import get_current_settings
print(json.dumps(get_current_settings().to_environment_variables(exclude_unset=True)))
"""
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # read by other parts of Prefect than its settings
    elsewhere = {"DO_NOT_TRACK", "PREFECT_LOGFIRE_ENABLED"}
    assert settings(tmp_path).keys() - json.loads(said).keys() == elsewhere


def test_two_at_once_on_a_cold_home_lose_nothing(tmp_path: Path):
    both = [run(tmp_path, "20"), run(tmp_path, "20")]
    for process in both:
        said, _ = process.communicate(timeout=240)
        assert process.returncode == 0, said
    assert states(tmp_path) == {"COMPLETED": 40}
    urls = {line for line in said.splitlines() if line.startswith("url ")}
    assert len(urls) == 1


def test_the_temporary_server_dies_with_its_flow(root: Path, url: str):
    (home(root) / "url").unlink()
    process = run(root, "1", "wait")
    assert process.stdout
    for line in process.stdout:
        if line.startswith("url "):
            break
    pids = family(process.pid)
    assert len(pids) > 1
    assert line.split()[1] != url
    process.kill()
    process.wait()
    until(lambda: not alive(pids), "end of the server")
    process.stdout.close()
    (home(root) / "url").write_text(url)


def test_no_connection_leaves_the_machine(root: Path, url: str):
    """Every socket of a server and of a flow's process, seen while they are up."""
    process = run(root, "3", "wait")
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("url "):
            break
    assert lines[-1] == f"url {url}\n", "the server that runs was not used"
    pids = family(os.getpid())
    found = peers(pids)
    process.communicate("\n", timeout=240)
    assert process.returncode == 0
    assert {HOST} <= found <= {HOST, "0.0.0.0"}, found  # noqa: S104, no peer
    telemetry = home(root) / ".sdk_telemetry"
    assert not telemetry.exists()


def peers(pids: set[int]) -> set[str]:
    """Remote addresses of TCP and UDP sockets."""
    inodes = set()
    for pid in alive(pids):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(str(fd.readlink()))
            except FileNotFoundError:
                continue
    found = set()
    for table in ("tcp", "udp", "tcp6", "udp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in inodes:
                number = fields[2].partition(":")[0]
                octets = bytes.fromhex(number)
                if len(octets) == 4:
                    found.add(".".join(map(str, reversed(octets))))
                else:
                    found.add(number)
    return found


def test_it_sends_nothing_and_asks_nobody(url: str):
    told = call(url, "admin/settings")
    assert told["server"]["analytics_enabled"] is False
    assert told["server"]["ui"]["show_promotional_content"] is False
    assert told["cloud"]["enable_orchestration_telemetry"] is False
    assert (
        "process" in call(url, "collections/views/aggregate-worker-metadata")["prefect"]
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "https://example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "http://localhost:port"}, 403),
        ({"Origin": "http://localhost:99999999"}, 403),
        ({"Origin": "http://example.org@localhost:{port}"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://localhost:{port}\xff"}, 403),
        ({"Host": "LOCALHOST:{port}"}, 200),
        ({"Host": "example.org:{port}"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Host": "localhost:port"}, 403),
        ({"Host": "localhost:99999999"}, 403),
        ({"Host": "example.org@localhost:{port}"}, 403),
        ({"Host": "localhost:{port}/../"}, 403),
        ({"Host": ""}, 403),
    ],
)
def test_it_answers_no_page_of_another_site(url: str, headers, status: int):
    port = url.split(":")[2].split("/")[0]
    named = {key: value.format(port=port) for key, value in headers.items()}
    connection = http.client.HTTPConnection(HOST, int(port), timeout=240)
    connection.request(
        "POST",
        "/api/flows/filter",
        b"{}",
        {"Content-Type": "application/json"} | named,
    )
    answer = connection.getresponse()
    assert answer.status == status
    assert answer.headers["X-Frame-Options"] == "DENY"
    policy = answer.headers["Content-Security-Policy"]
    for part in ("frame-ancestors 'none'", "base-uri 'self'", "form-action 'self'"):
        assert part in policy
    connection.close()


def test_the_one_that_runs_is_used(root: Path, url: str):
    assert running(root) == url
    with api(root) as found:
        assert found == url
        assert os.environ["PREFECT_API_URL"] == url
    assert "PREFECT_API_URL" not in os.environ


def test_a_server_of_another_project_is_not_used(tmp_path: Path, url: str):
    home(tmp_path).mkdir(parents=True)
    (home(tmp_path) / "url").write_text(url)
    assert running(tmp_path) is None


def test_an_address_that_does_not_answer_is_refused(root: Path, monkeypatch):
    address = f"http://{HOST}:{free_port()}/api"
    monkeypatch.setenv("PREFECT_API_URL", address)
    with pytest.raises(RefusedError, match="PREFECT_API_URL") as refused, api(root):
        pass
    assert address in str(refused.value)
    assert "make flow LOCAL=1" in refused.value.mend


def test_an_address_that_answers_is_used(root: Path, url: str, monkeypatch):
    monkeypatch.setenv("PREFECT_API_URL", url)
    with api(root) as found:
        assert found == url
    assert os.environ["PREFECT_API_URL"] == url


def test_a_server_that_cannot_start_says_why(tmp_path: Path):
    home(tmp_path).mkdir(parents=True)
    (home(tmp_path) / "prefect.db").write_text("not a database, but long enough" * 99)
    with (
        pytest.raises(RefusedError, match=r"server\.log.*not a database") as refused,
        started(tmp_path, bound(0), services=False),
    ):
        pass
    assert "LOCAL=1" in refused.value.mend


def test_nothing_is_left_behind(root: Path, url: str):
    with started(root, bound(0), services=False) as address:
        children = family(os.getpid())
        assert call(address, "health") is True
    assert not alive(children - family(os.getpid()))
    with pytest.raises(OSError, match="refused"):
        call(address, "health")
