"""What a process is given at its start and a forked child cannot take from another.

Two processes with the same text here, in the same checkout, may share a server: its
child differs from a process started anew only in what a request carries. The text is
compared whole; a checksum of it names the server's socket.
"""

import os
import stat
import sys
from collections.abc import Mapping
from zlib import crc32

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
FOLDER = ".offcut/warm"  # in the root; only its owner may enter
# libraries read them when they are imported, the interpreter and the loader before
READ_AT_IMPORT = (
    *("ACC_", "ARROW", "ATEN_", "BLIS_", "CUDA", "CUBLAS", "DNNL_", "FX_", "GFORTRAN_"),
    *("GLIBC_", "GOMP_", "GOTO_", "GYM", "H5PY_", "HDF5_", "HIP", "HOME", "INTEL"),
    *("I_MPI", "JE_", "KINETO_", "KMP_", "LANG", "LC_", "LD_", "LIBOMP", "LLVM"),
    *("MALLOC", "MINARI", "MKL", "MPI", "MPL", "MUJOCO", "NPY_", "NUMBA_", "NUMPY_"),
    *("NVIDIA", "NVPL", "OMP", "ONEDNN", "ONNX", "OPENBLAS", "OPENSSL", "ORT_"),
    *("PANDAS_", "PROTOCOL_", "PYGLFW", "PYTHON", "PYTORCH", "ROC", "SCIPY_"),
    *("SSL", "TEMP", "TMP", "TORCH", "TZ", "USE_", "VECLIB", "XDG_"),
)
OF_THE_REQUEST = ("PYTHONUNBUFFERED",)  # the client's streams say it
STATUS = (
    *("Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "CapInh"),
    *("CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"),
    *("Cpus_allowed", "Mems_allowed"),
)
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


def inherited(environment: Mapping[str, str] = os.environ) -> str:
    """All of it, of this process, a line or paragraph each.

    Limits, nice value, processors, cgroup and so on; the variables of the environment
    that matter at import; the interpreter, the folders of installed packages with the
    time they last changed, and the server's own code.

    Args:
        environment: This process's, or as it was before libraries set something there.

    Raises:
        OSError: If the system does not say one of them.
    """
    here = os.path.dirname(__file__)
    code = sorted(f"{here}/{name}" for name in os.listdir(here) if name[-3:] == ".py")
    packages = [path for path in sys.path[1:] if path.endswith("-packages")]
    variables = sorted(
        f"{name}={value}"
        for name, value in environment.items()
        if name.startswith(READ_AT_IMPORT) and name not in OF_THE_REQUEST
    )
    status = [
        line
        for line in _read("/proc/self/status").splitlines()
        if line.startswith(STATUS)
    ]
    return "\n".join(
        [
            sys.version,
            *sys.path[1:],
            *map(_changed, [sys.executable, *packages, *code]),
            *variables,
            *status,
            *(os.readlink(f"/proc/self/ns/{name}") for name in NAMESPACES),
            *(_read(f"/proc/self/{name}") for name in ("limits", "cgroup")),
            _read("/proc/self/oom_score_adj"),
            _read("/proc/sys/kernel/random/boot_id"),
            f"{os.getpriority(os.PRIO_PROCESS, 0)} {os.sched_getscheduler(0)}",
        ]
    )


def socket_name(text: str) -> str:
    """The name of the socket of those who inherited the same."""
    return f"{crc32(os.fsencode(text)):08x}.sock"


def open_folder() -> int:
    """Open the folder of the sockets.

    A socket in it is reached as ``/proc/self/fd/<number>/<name>``, as the path of a
    socket may have no more than 107 bytes.

    Returns:
        Its file descriptor.

    Raises:
        OSError: If it is not there.
        PermissionError: If it is a link, or others than its owner may enter.
    """
    number = os.open(
        f"{ROOT}/{FOLDER}",
        os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC,
    )
    found = os.fstat(number)
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        os.close(number)
        raise PermissionError(FOLDER)
    return number


def packed(*lists: list[str]) -> bytes:
    """The text of a request: lists of texts, none of which holds a zero byte."""
    parts = [part for texts in lists for part in (str(len(texts)), *texts)]
    return os.fsencode("\0".join(parts))


def unpacked(text: bytes) -> list[list[str]]:
    """The lists that :func:`packed` was given."""
    parts = os.fsdecode(text).split("\0")
    lists = []
    while parts:
        end = 1 + int(parts[0])
        lists.append(parts[1:end])
        parts = parts[end:]
    return lists


def _changed(path: str) -> str:
    """A file or folder with what tells that it was replaced or changed."""
    found = os.stat(path)
    return f"{path} {found.st_mtime_ns} {found.st_size} {found.st_ino}"


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()
