"""Initial RAM file systems, written as the kernel reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

DIRECTORY, FILE, EXECUTABLE = 0o040755, 0o100644, 0o100755


def archive(directories: Iterable[str], files: Mapping[str, bytes]) -> bytes:
    """Make a `newc` archive; files below bin/ and one called `init` are executable.

    Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst.
    """
    entries = [(name, DIRECTORY, b"") for name in directories]
    for name, content in files.items():
        mode = EXECUTABLE if name == "init" or name.startswith("bin/") else FILE
        entries.append((name, mode, content))
    entries.append(("TRAILER!!!", 0, b""))
    return b"".join(
        _entry(number, name, mode, content) for number, (name, mode, content) in enumerate(entries)
    )


def _entry(inode: int, name: str, mode: int, content: bytes) -> bytes:
    path = name.encode() + b"\0"
    fields = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(f"{field:08x}".encode() for field in fields)
    return _padded(header + path) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)


def modules_in_order(directory: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Modules of a built image as files of an archive, and `order`, in which to load them."""
    order = list(names)
    files = {f"modules/{name}": (directory / name).read_bytes() for name in order}
    return files | {"modules/order": "".join(f"{name}\n" for name in order).encode()}
