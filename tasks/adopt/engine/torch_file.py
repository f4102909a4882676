"""The one place that opens a file of torch's: ``policy.pth`` of Stable-Baselines3.

Torch's files are pickles. Here, at ``make adopt`` alone, one is read with
``weights_only=True``, which makes tensors and nothing else, in a process of its own
that may take no more memory than the file's size allows and ends after a while. What
comes out is a safetensors file; no stage of the graph opens anything else.
"""

import io
import resource
import subprocess
import sys
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path

from tasks.artifacts.errors import RefusedError

SECONDS = 120
ROOM = 2**28  # bytes beside the tensors, and four times the file
MEND = "save the policy again with Stable-Baselines3, model.save(...)"


def tensors_of(data: bytes, target: Path, where: Path) -> None:
    """Write the tensors of a torch file as safetensors.

    Args:
        data: The torch file.
        target: The file to write.
        where: The zip it came from, for errors.

    Raises:
        RefusedError: If it holds anything but named tensors, more than its size, or is
            damaged.
    """
    _check_stored(data, where)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "policy.pth"
        source.write_bytes(data)
        command = [sys.executable, "-m", "tasks.adopt.engine.torch_file"]
        try:
            child = subprocess.run(
                [*command, source, target],
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            found = f"no end after {SECONDS} s"
            raise _refused(where, found) from None
    if child.returncode:
        lines = child.stderr.strip().splitlines() or [f"exit {child.returncode}"]
        target.unlink(missing_ok=True)
        raise _refused(where, lines[-1])


def _refused(where: Path, found: str) -> RefusedError:
    expected = "named tensors alone, no more than its size"
    return RefusedError(where, "policy.pth", f"{found:.300}", expected, MEND)


def _check_stored(data: bytes, where: Path) -> None:
    """Refuse a file in which something is packed: torch never packs."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            members = opened.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        raise _refused(where, "no file of torch 1.6 or newer") from None
    packed = any(member.compress_type != zipfile.ZIP_STORED for member in members)
    if packed or sum(member.file_size for member in members) > len(data):
        raise _refused(where, "packed members, or larger than the file")


def main() -> None:
    """Read the first file named, write the second."""
    source, target = map(Path, sys.argv[1:])
    import torch
    from safetensors.torch import save_file

    size = source.stat().st_size
    _limit(ROOM + 4 * size)
    content = torch.load(  # noqa: TID251  # here alone, see docs/trust.md
        source, map_location="cpu", weights_only=True
    )
    if not isinstance(content, dict) or not content:
        sys.exit("no mapping of names to tensors")
    left = size
    tensors = {}
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            sys.exit(f"{name!r:.80}, which is no named tensor")
        if tensor.layout != torch.strided or tensor.is_quantized:
            sys.exit(f"{name:.80}, no plain tensor")
        left -= tensor.numel() * tensor.element_size()
        if left < 0:
            sys.exit(f"{name:.80}, larger than the file")
        tensors[name] = tensor.detach().clone().contiguous()
    save_file(tensors, target)


def _limit(more: int) -> None:
    """Let this process take so many bytes beyond what it has, where that is known."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    with suppress(OSError, ValueError):  # other systems than Linux do not say
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        limit = pages * resource.getpagesize() + more
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
