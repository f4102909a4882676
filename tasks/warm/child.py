"""The child: what the server forks becomes the process that its client asked for."""

import ctypes
import gc
import importlib
import io
import os
import random
import re
import runpy
import sys
from dataclasses import astuple, dataclass
from socket import socket
from types import ModuleType
from typing import Any

from tasks.warm.inherited import unpacked

COMMAND = re.compile(r"tasks(\.[A-Za-z0-9_]+)+")
IONBF = 2  # of C's setvbuf: no buffer


@dataclass(frozen=True)
class Files:
    """Files of a request, as the client sends them.

    Attributes:
        stdin: The client's, as are the next two.
        stdout: Likewise.
        stderr: Likewise.
        folder: The current one.
        text: The request's text.
        pair: The socket on which the client is told that all is prepared.
    """

    stdin: int
    stdout: int
    stderr: int
    folder: int
    text: int
    pair: int


def become(files: Files, inherited: str, imported: dict[str, str]) -> None:
    """Be the process asked for, as if Python had just started it; ends as that would.

    Args:
        files: Of the request.
        inherited: What the server inherited; the client must have inherited the same.
        imported: Variables of the environment that the libraries set.

    Raises:
        SystemExit: The end of the command, as it ends itself.
        KeyboardInterrupt: Likewise.
    """
    try:
        command = _prepare(files, inherited, imported)
    except BaseException:  # the client begins cold and sees it there
        os._exit(1)
    _run(command)


def _prepare(files: Files, inherited: str, imported: dict[str, str]) -> str:
    """Take over all that the request carries, and wait until the client says begin.

    Returns:
        The command's module.

    Raises:
        ValueError: If it is no command of this checkout or of a process that may not
            have this server.
    """
    size = os.fstat(files.text).st_size
    given = unpacked(os.pread(files.text, size, 0))
    (text,), argv, path, variables, *streams = given
    if text != inherited or argv[1] != "-m" or not COMMAND.fullmatch(argv[2]):
        raise ValueError(argv)
    for number, file in enumerate((files.stdin, files.stdout, files.stderr)):
        os.dup2(file, number)
    os.fchdir(files.folder)
    os.environ.clear()
    os.environ.update(imported | dict(v.split("=", 1) for v in variables))
    _open_streams(streams)
    sys.path[:] = path
    sys.argv[:] = ["", *argv[3:]]  # with "-m" the package would ask a server
    sys.orig_argv[:] = argv
    _forget_tasks()
    _seed()
    gc.enable()
    pair = socket(fileno=files.pair)
    for file in set(astuple(files)) - {files.pair}:
        os.close(file)
    pair.send(os.getpid().to_bytes(4, sys.byteorder))
    if not pair.recv(1):
        raise ValueError(argv)  # it did not wait
    pair.close()
    sys.argv[0] = "-m"
    return argv[2]


def _open_streams(streams: list[list[str]]) -> None:
    """Make stdin, stdout and stderr anew, buffered as the client's are."""
    for number, (name, settings) in enumerate(
        zip(("stdin", "stdout", "stderr"), streams, strict=True)
    ):
        encoding, errors, *flags = settings
        by_line, at_once = (flag == "True" for flag in flags)
        unbuffered = 0 if at_once and number else -1
        buffer: Any = open(number, "wb" if number else "rb", unbuffered, closefd=False)
        getattr(buffer, "raw", buffer).name = f"<{name}>"
        stream: Any = io.TextIOWrapper(
            buffer, encoding, errors, "\n", by_line, write_through=at_once
        )
        stream.mode = "w" if number else "r"
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
        if at_once and number:
            c = ctypes.CDLL(None)
            c.setvbuf(ctypes.c_void_p.in_dll(c, name), None, IONBF, 0)


def _forget_tasks() -> None:
    """Import this project's modules again from their files, which may be edited.

    Raises:
        ValueError: If those that Python finds are another checkout's.
    """
    before = sys.modules["tasks"].__file__
    for name in [n for n in sys.modules if n.split(".")[0] == "tasks"]:
        del sys.modules[name]
    sys.modules["__main__"] = ModuleType("__main__")
    if "__mp_main__" in sys.modules:  # as multiprocessing calls it when imported
        sys.modules["__mp_main__"] = sys.modules["__main__"]
    importlib.invalidate_caches()
    if importlib.import_module("tasks").__file__ != before:
        raise ValueError(before)


def _seed() -> None:
    """Seed the generators that libraries seed by chance when they are imported."""
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.default_generator.seed()


def _run(module: str) -> None:
    """Run a module as ``python -m`` does."""
    try:
        vars(runpy)["_run_module_as_main"](module)
    except SystemExit:
        raise
    except BaseException as error:
        # the traceback begins where it would without a server
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        sys.excepthook(type(error), error, error.__traceback__)
        if isinstance(error, KeyboardInterrupt):
            sys.excepthook = lambda *_: None
            raise
        raise SystemExit(1) from None
