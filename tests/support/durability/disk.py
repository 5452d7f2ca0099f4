"""A model of a disk under power loss: what is durable, what is pending, and what may be left.

The rules, on purpose no kinder than POSIX:

* Bytes and sizes are durable once their file is synced after them. Any part of what is pending may
  be there after a crash, in any order, torn at sectors of 512 bytes.
* A name (create, rename, link, unlink) is durable once its *directory* is synced after it; syncing
  the file does not help. Names that are pending reach the disk in order, as a journal keeps them.
* A rename is atomic: after a crash it has happened or not, in both directories.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.durability.events import Event, Operation

SECTOR_BYTES = 512


@dataclass(frozen=True, slots=True)
class DataChange:
    """Bytes at an offset; or, when `data` is None, a new size of `offset` bytes."""

    sequence: int
    offset: int
    data: bytes | None

    def apply(self, content: bytearray) -> None:
        if self.data is None:
            del content[self.offset :]
            content.extend(bytes(self.offset - len(content)))
        else:
            content.extend(bytes(max(0, self.offset - len(content))))
            content[self.offset : self.offset + len(self.data)] = self.data


@dataclass(eq=False, slots=True)
class File:
    """`durable` is what a power cut can't take; `pending` came after the last sync."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[DataChange] = field(default_factory=list)

    def sync(self) -> None:
        for change in self.pending:
            change.apply(self.durable)
        self.pending.clear()


@dataclass(eq=False, slots=True)
class Directory:
    """`live` is what the program sees."""

    durable: dict[str, Node] = field(default_factory=dict)
    live: dict[str, Node] = field(default_factory=dict)


Node = File | Directory


@dataclass(frozen=True, slots=True)
class NameEdit:
    """`name` in `directory` now is `node`; None: it is gone."""

    directory: Directory
    name: str
    node: Node | None


@dataclass(slots=True)
class NameChange:
    """Edits that happen together or not at all."""

    sequence: int
    edits: list[NameEdit]


class DataLoss(enum.Enum):
    """What becomes of pending bytes, where that is not chosen one by one."""

    KEPT = "kept"
    LOST = "lost"
    ZEROED = "zeroed"  # The new size reached the disk, its bytes did not.


class Disk:
    """Replays events; then says what a power cut might leave."""

    def __init__(self, root_inode: int) -> None:
        self.root = Directory()
        self._nodes: dict[int, Node] = {root_inode: self.root}
        self._names: list[NameChange] = []
        self._sequence = 0

    @classmethod
    def of(cls, directory: Path, *, inodes: Mapping[str, int]) -> Disk:
        """Start from a directory as it is, all of it durable.

        `inodes` says by relative name what inodes its files have where the events come from, as
        `directory` may be a copy.
        """
        disk = cls(inodes["."])
        for path in sorted(directory.rglob("*")):  # A folder comes before what is in it.
            name = str(path.relative_to(directory))
            node: Node = Directory() if path.is_dir() else File(bytearray(path.read_bytes()))
            folder, last = disk._folder(name)
            folder.durable[last] = folder.live[last] = node
            disk._nodes[inodes[name]] = node
        return disk

    # ---- replaying ----

    def apply(self, event: Event) -> None:
        """Let one event happen."""
        self._sequence += 1
        match event.operation:
            case Operation.CREATE:
                self._nodes[event.inode] = created = File()
                self._edit((event.name, created))
            case Operation.MAKE_DIRECTORY:
                self._nodes[event.inode] = made = Directory()
                self._edit((event.name, made))
            case Operation.WRITE:
                self._change(event.inode, event.offset, event.data)
                if event.length:  # O_SYNC, O_DSYNC
                    self._file(event.inode).sync()
            case Operation.TRUNCATE:
                self._change(event.inode, event.length, None)
            case Operation.RENAME:
                node = self._find(event.name)
                self._edit((event.name, None), (event.data.decode(), node))
            case Operation.LINK:
                self._edit((event.data.decode(), self._find(event.name)))
            case Operation.UNLINK | Operation.REMOVE_DIRECTORY:
                self._edit((event.name, None))
            case Operation.SYNC_FILE:
                self._sync(self._nodes[event.inode])
            case Operation.SYNC_ALL:
                for node in list(self._nodes.values()):
                    self._sync(node)
            case Operation.OUTPUT:
                pass

    def _file(self, inode: int) -> File:
        node = self._nodes[inode]
        assert isinstance(node, File)
        return node

    def _change(self, inode: int, offset: int, data: bytes | None) -> None:
        self._file(inode).pending.append(DataChange(self._sequence, offset, data))

    def _folder(self, name: str) -> tuple[Directory, str]:
        *folders, last = name.split("/")
        node: Node = self.root
        for folder in folders:
            assert isinstance(node, Directory)
            node = node.live[folder]
        assert isinstance(node, Directory)
        return node, last

    def _find(self, name: str) -> Node:
        folder, last = self._folder(name)
        return folder.live[last]

    def _edit(self, *edits: tuple[str, Node | None]) -> None:
        change = NameChange(self._sequence, [])
        for name, node in edits:
            folder, last = self._folder(name)
            change.edits.append(NameEdit(folder, last, node))
            if node is None:
                folder.live.pop(last, None)
            else:
                folder.live[last] = node
        self._names.append(change)

    def _sync(self, node: Node) -> None:
        if isinstance(node, File):
            node.sync()
            return
        for change in list(self._names):
            if any(edit.directory is node for edit in change.edits):
                self._make_durable(change)

    def _make_durable(self, change: NameChange) -> None:
        settled = {(id(edit.directory), edit.name) for edit in change.edits}
        for edit in change.edits:
            _set(edit.directory.durable, edit)
        # What the same names were before, though pending, must not come back over this.
        for earlier in self._names:
            if earlier.sequence <= change.sequence:
                earlier.edits[:] = [
                    edit for edit in earlier.edits if (id(edit.directory), edit.name) not in settled
                ]
        self._names = [change for change in self._names if change.edits]

    # ---- after the power cut ----

    def pending_sequences(self) -> list[int]:
        """Return the places in history of everything that is not durable, in order."""
        data = {change.sequence for file in self._files() for change in file.pending}
        return sorted(data | {change.sequence for change in self._names})

    def image_up_to(self, sequence: int, target: Path) -> None:
        """Write what is left if the disk took all that is pending up to one place in history."""
        contents = {
            file: _content(file, (c for c in file.pending if c.sequence <= sequence))
            for file in self._files()
        }
        self._write(contents, (c for c in self._names if c.sequence <= sequence), target)

    def image(self, *, data: DataLoss, names: bool, target: Path) -> None:
        """Write what is left if all pending data, and all pending names, share one fate."""
        contents = {file: _content(file, _surviving(file, data)) for file in self._files()}
        self._write(contents, self._names if names else (), target)

    def random_image(self, dice: random.Random, target: Path) -> None:
        """Write what is left if chance decides for each sector; names keep their order."""
        contents = {file: _content(file, _torn(file, dice)) for file in self._files()}
        self._write(contents, self._names[: dice.randint(0, len(self._names))], target)

    def _files(self) -> Iterator[File]:
        """Every file that any name, durable or pending, leads to."""
        seen: set[int] = set()
        queue: list[Node] = [self.root]
        pending = [edit for change in self._names for edit in change.edits]
        queue.extend(edit.node for edit in pending if edit.node is not None)
        while queue:
            node = queue.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, File):
                yield node
            else:
                queue.extend(node.durable.values())
                queue.extend(node.live.values())

    def _write(
        self, contents: Mapping[File, bytes], names: Iterable[NameChange], target: Path
    ) -> None:
        view: dict[int, dict[str, Node]] = {}
        for change in names:
            for edit in change.edits:
                folder = view.setdefault(id(edit.directory), dict(edit.directory.durable))
                _set(folder, edit)
        self._write_folder(self.root, view, contents, target)

    def _write_folder(
        self,
        folder: Directory,
        view: Mapping[int, Mapping[str, Node]],
        contents: Mapping[File, bytes],
        target: Path,
    ) -> None:
        target.mkdir(parents=True)
        for name, node in view.get(id(folder), folder.durable).items():
            if isinstance(node, File):
                (target / name).write_bytes(contents[node])
            else:
                self._write_folder(node, view, contents, target / name)


def _set(names: dict[str, Node], edit: NameEdit) -> None:
    if edit.node is None:
        names.pop(edit.name, None)
    else:
        names[edit.name] = edit.node


def _content(file: File, survivors: Iterable[DataChange]) -> bytes:
    content = bytearray(file.durable)
    for change in survivors:
        change.apply(content)
    return bytes(content)


def _surviving(file: File, loss: DataLoss) -> Iterator[DataChange]:
    for change in file.pending:
        if loss is DataLoss.KEPT or (loss is DataLoss.ZEROED and change.data is None):
            yield change
        elif loss is DataLoss.ZEROED and change.data is not None:
            end = change.offset + len(change.data)
            if end > len(file.durable):  # Old bytes stay; new room is empty.
                start = max(change.offset, len(file.durable))
                yield DataChange(change.sequence, start, bytes(end - start))


def _torn(file: File, dice: random.Random) -> Iterator[DataChange]:
    for change in file.pending:
        fate = dice.choice(("kept", "lost", "torn"))
        if fate == "kept":
            yield change
        elif fate == "torn" and change.data is not None:
            yield from (part for part in _sectors(change) if dice.random() < 0.5)


def _sectors(change: DataChange) -> Iterator[DataChange]:
    assert change.data is not None
    start, end = change.offset, change.offset + len(change.data)
    while start < end:
        stop = min(end, (start // SECTOR_BYTES + 1) * SECTOR_BYTES)
        part = change.data[start - change.offset : stop - change.offset]
        yield DataChange(change.sequence, start, part)
        start = stop
