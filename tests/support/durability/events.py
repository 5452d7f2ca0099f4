"""The shim's log, read back: one event for each thing that a program did to its files."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass


class Operation(enum.IntEnum):
    """`enum operation` of shim.c, which says what the fields of an event mean for each."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    RENAME = 4
    LINK = 5
    UNLINK = 6
    MAKE_DIRECTORY = 7
    REMOVE_DIRECTORY = 8
    SYNC_FILE = 9
    SYNC_ALL = 10
    OUTPUT = 11


_RECORD = struct.Struct("=IIQqqII")  # `struct record` of shim.c.


@dataclass(frozen=True, slots=True)
class Event:
    """One record. Names are relative to the directory; `data` may be a second name."""

    operation: Operation
    process: int
    inode: int
    offset: int
    length: int
    name: str
    data: bytes

    def __str__(self) -> str:
        match self.operation:
            case Operation.WRITE:
                what = f"{len(self.data)} bytes at {self.offset} of inode {self.inode}"
            case Operation.TRUNCATE:
                what = f"inode {self.inode} to {self.length} bytes"
            case Operation.SYNC_FILE:
                what = f"inode {self.inode}"
            case Operation.RENAME | Operation.LINK:
                what = f"{self.name} to {self.data.decode()}"
            case Operation.OUTPUT:
                what = repr(self.data)
            case _:
                what = self.name
        return f"{self.operation.name.lower()} {what}"


def parse_log(log: bytes) -> Iterator[Event]:
    """Read a whole log; a last record cut short (its writer was killed) is left out."""
    position = 0
    while position + _RECORD.size <= len(log):
        operation, process, inode, offset, length, name_length, data_length = _RECORD.unpack_from(
            log, position
        )
        start = position + _RECORD.size
        middle, end = start + name_length, start + name_length + data_length
        if end > len(log):
            return
        name = log[start:middle].decode("utf-8", "surrogateescape")
        yield Event(Operation(operation), process, inode, offset, length, name, log[middle:end])
        position = end
