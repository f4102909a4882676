"""A checkout with one command, ``tasks.toy``, that does what a test asks for."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOY = """
import atexit, faulthandler, gc, json, locale, os, signal, subprocess, sys
import threading, time

def describe():
    streams = [
        [s.encoding, s.errors, s.line_buffering, s.write_through, s.name, s.mode]
        + [type(s.buffer).__name__, s.newlines]
        for s in (sys.stdin, sys.stdout, sys.stderr)
    ]
    own = sys.modules["__main__"]
    os.umask(mask := os.umask(0))
    handlers = {n: str(signal.getsignal(n)).split(" at ")[0] for n in range(1, 32)}
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "arguments": sys.argv,
        "original arguments": sys.orig_argv,
        "path": sys.path,
        "flags": str(sys.flags),
        "streams": streams,
        "stdin": sys.stdin.read(),
        "umask": mask,
        "limits": open("/proc/self/limits").read(),
        "nice": os.nice(0),
        "processors": sorted(os.sched_getaffinity(0)),
        "handlers": handlers,
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "main": [own.__name__, own.__file__, own.__spec__.name, own.__package__],
        "modules": sorted(n for n in sys.modules if n.split(".")[0] == "tasks"),
        "threads": threading.active_count(),
        "locale": locale.setlocale(locale.LC_ALL),
        "gc": [gc.isenabled(), gc.get_threshold()],
        "faulthandler": faulthandler.is_enabled(),
        "hash": hash("a") if os.environ.get("PYTHONHASHSEED") else None,
        "files": sorted(os.listdir("/proc/self/fd")),
        "recursion": sys.getrecursionlimit(),
        "here": __file__,
    }

what, *rest = sys.argv[1:]
if what == "describe":
    print(json.dumps(describe()))
elif what == "who":
    print(json.dumps([os.getpid(), os.getppid()]), flush=True)
elif what == "work":  # until it is ended
    child = subprocess.Popen(["sleep", "600"])
    with open("ran", "a") as file:
        file.write("x")
    print(json.dumps([os.getpid(), os.getppid(), child.pid]), flush=True)
    time.sleep(600)
elif what == "order":
    atexit.register(print, "at exit")
    for number in range(4):
        print("out", number)
        print("err", number, file=sys.stderr)
        os.system("echo child")
    sys.stdout.buffer.write(b"bytes\\n")
elif what == "libraries":
    import hashlib, logging, multiprocessing, warnings
    import gymnasium, h5py, numpy, onnx, onnxruntime, pandas, pyarrow, torch
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(300, 300, generator=generator)
    b = numpy.random.default_rng(0).normal(size=(200, 200)).astype("f4")
    bits = (a @ a).exp().numpy().tobytes() + numpy.linalg.inv(b).tobytes()
    print(json.dumps({
        "threads": [torch.get_num_threads(), torch.get_num_interop_threads()],
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "type": str(torch.get_default_dtype()),
        "seed": torch.initial_seed(),
        "errors": numpy.geterr(),
        "small": [5e-324 > 0, float(numpy.float32(1e-38) / 8) > 0],
        "filters": sorted(map(str, warnings.filters)),
        "loggers": [logging.root.level, str(logging.root.handlers)],
        "methods": multiprocessing.get_start_method(),
        "options": str(pandas.options.mode.string_storage),
        "allocator": pyarrow.default_memory_pool().backend_name,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "environment": dict(os.environ),
        "bits": hashlib.sha256(bits).hexdigest(),
    }))
elif what == "random":
    import random, numpy
    print(random.random(), numpy.random.rand())
elif what == "exit":
    sys.exit(eval(rest[0]))
elif what == "signal":
    os.kill(os.getpid(), int(rest[0]))
    time.sleep(600)
elif what == "fail":
    def fail():
        raise LookupError("said") from ValueError("before")
    fail()
elif what == "interrupt":
    raise KeyboardInterrupt
"""


LINUX = Path("/proc/self/ns").exists()  # elsewhere stages start cold


class Toy:
    """A checkout in a folder whose path is longer than that of a socket may be.

    Args:
        folder: An existing one; the checkout's is below.
        whole: Whether its server imports all libraries or, as tests start it often,
            numpy alone.
    """

    def __init__(self, folder: Path, *, whole: bool = False) -> None:
        self.folder = folder / ("deep" * 30)
        tasks = self.folder / "tasks"
        shutil.copytree(
            ROOT / "tasks/warm",
            tasks / "warm",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        shutil.copy(ROOT / "tasks/__init__.py", tasks)
        (tasks / "toy.py").write_text(TOY)
        if not whole:
            self.import_only("numpy")

    def import_only(self, *libraries: str) -> None:
        """Let its server import these."""
        path = self.folder / "tasks/warm/server.py"
        text, count = re.subn(
            r"^LIBRARIES = (\(\n.*?\n\)|.*?)$",
            f"LIBRARIES = {libraries}",
            path.read_text(),
            flags=re.MULTILINE | re.DOTALL,
        )
        assert count == 1
        path.write_text(text)

    @property
    def sockets(self) -> Path:
        return self.folder / ".offcut/warm"

    def environment(self, **changes: str | None) -> dict[str, str]:
        """As DVC gives it; None takes a variable away."""
        own = {"PYTHONPATH": str(self.folder), "DVC_STAGE": "toy"}
        both = {**os.environ, **own, "PYTHONUNBUFFERED": None, **changes}
        return {name: value for name, value in both.items() if value is not None}

    def start(
        self, *arguments: str, before: Any = None, **changes: str | None
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tasks.toy", *arguments],
            cwd=self.folder,
            env=self.environment(**changes),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,  # noqa: PLW1509, it does as little as it may
        )

    def run(
        self, *arguments: str, given: str = "", before: Any = None, **changes: Any
    ) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of the command."""
        process = self.start(*arguments, before=before, **changes)
        out, err = process.communicate(given)
        return process.returncode, out, err

    def said(self, *arguments: str, **changes: Any) -> Any:
        """What a command that ends well printed, as JSON."""
        code, out, err = self.run(*arguments, **changes)
        assert (code, err) == (0, ""), err
        return json.loads(out)

    def server(self) -> int:
        """The process id of the server, started if need be."""
        return self.said("who")[1]

    def end(self) -> None:
        """End its servers."""
        for server in servers(self.folder):
            os.kill(server, signal.SIGKILL)


def servers(folder: Path) -> list[int]:
    """Process ids of the servers of a checkout."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes()
            variables = (entry / "environ").read_bytes()
        except OSError:
            continue
        if b"tasks.warm.server" in line and os.fsencode(folder) in variables:
            found.append(int(entry.name))
    return found


def wait_until(what: Any, seconds: float = 60) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: If it does not come true.
    """
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_alive(process: int) -> bool:
    """Whether a process runs, and does not only wait to be asked how it ended."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return text.rpartition(")")[2].split()[0] not in "ZX"
