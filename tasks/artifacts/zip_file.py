"""Zip files from elsewhere: read in memory, one named member at a time.

Nothing is unpacked to a path that a zip names, and no more memory is taken than a
member states, which is bounded before.
"""

import zipfile
import zlib
from pathlib import Path

from tasks.artifacts.errors import RefusedError

LARGEST = 2**30  # bytes of one member
PACKED = 1100  # times that a member may be larger than what it is packed in
SLACK = 2**16  # bytes that a member may have however well it is packed
MOST = 10_000  # members


class Zip:
    """A zip whose list of members has been checked.

    Args:
        path: The file.
        mend: What the user can do about a broken one.

    Attributes:
        sizes: Bytes of each member, by name.

    Raises:
        RefusedError: If it is missing or no zip, or a member leads out of its folder,
            stands there twice, is encrypted, or would be far larger than the file.
    """

    def __init__(self, path: Path, mend: str) -> None:
        self.path, self.mend = path, mend
        try:
            with zipfile.ZipFile(path) as opened:
                members = opened.infolist()
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
            raise self.refused("content", error, "a whole zip file") from None
        if len(members) > MOST:
            raise self.refused("members", len(members), f"at most {MOST}")
        self.sizes: dict[str, int] = {}
        for member in members:
            self._check(member)
            self.sizes[member.filename] = member.file_size

    def _check(self, member: zipfile.ZipInfo) -> None:
        name = member.filename
        where = f"member {name!r:.80}"
        parts = name.replace("\\", "/").split("/")
        if name.startswith(("/", "\\")) or ".." in parts or ":" in name:
            raise self.refused(where, "a path", "a name inside the zip")
        if name in self.sizes:
            raise self.refused(where, "the same name twice", "each name once")
        if member.flag_bits & 1:
            raise self.refused(where, "encrypted", "a plain member")
        if member.file_size > min(LARGEST, PACKED * member.compress_size + SLACK):
            found = f"{member.file_size} bytes packed in {member.compress_size}"
            expected = f"at most {LARGEST}, and {PACKED} times as many as packed"
            raise self.refused(where, found, expected)

    def read(self, name: str, limit: int = LARGEST) -> bytes:
        """One member's bytes.

        Args:
            name: Of the member.
            limit: The most bytes it may have.

        Raises:
            RefusedError: If there is none, it is larger, or its checksum is not right.
        """
        if name not in self.sizes:
            shown = ", ".join(list(self.sizes)[:8]) or "nothing"
            raise self.refused(f"member {name}", f"only {shown:.200}", "that member")
        if self.sizes[name] > limit:
            found = f"{self.sizes[name]} bytes"
            raise self.refused(f"member {name}", found, f"at most {limit}")
        try:
            with zipfile.ZipFile(self.path) as opened, opened.open(name) as stream:
                data = stream.read(self.sizes[name])
                rest = stream.read(1)
        except (
            *(EOFError, NotImplementedError, OSError, RuntimeError, ValueError),
            *(zipfile.BadZipFile, zlib.error),
        ) as error:
            raise self.refused(f"member {name}", error, "a whole member") from None
        if rest or len(data) != self.sizes[name]:
            found = f"{len(data)} bytes or more"
            raise self.refused(f"member {name}", found, self.sizes[name])
        return data

    def refused(self, field: str, found: object, expected: object) -> RefusedError:
        """The error of this zip."""
        return RefusedError(self.path, field, found, expected, self.mend)
