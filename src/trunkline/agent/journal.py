"""The journal: what an agent must remember because it can't be observed. One file for each host.

It is replaced as a whole: written beside, synced, renamed, and the directory synced, so that after
a loss of power either the old or the new one is there. The content carries its own digest. As long
as a journal can't be read, the agent does nothing but say so: guessing what a device was like
before is worse than leaving everything as it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec

from trunkline import durable
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.reconcile.observed import Journal
from trunkline.wire import json

FORMAT_VERSION: Final = 1


class JournalUnreadable(TrunklineError):
    """The journal is there but can't be trusted. Nothing has been touched."""

    code = "agent.journal_unreadable"
    kind = ErrorKind.CONFLICT

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(
            f"the journal {path} can't be used: {problem}. Nothing on this host was touched. "
            "Restore it from a backup; or, with every server gone from this host and its VFs "
            "looked over by hand, delete it"
        )
        self.path = path


class JournalUnwritable(TrunklineError):
    """The journal could not be stored; what it should have allowed was not done."""

    code = "agent.journal_unwritable"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"the journal {path} can't be written: {problem}")


class Files(Protocol):
    """The file operations of a journal, each a system call, so that a test can lose power."""

    def read(self, path: Path) -> bytes | None:
        """Return the content; None if there is no such file."""
        ...

    def write(self, path: Path, content: bytes) -> None:
        """Create or overwrite a file. Not durable before `sync`."""
        ...

    def sync(self, path: Path) -> None:
        """Make a file's content durable, or a directory: then the names in it are."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Rename over `target`, atomically. Not durable before the directory is synced."""
        ...


class RealFiles:
    """Files of the operating system."""

    def read(self, path: Path) -> bytes | None:
        """See `Files.read`."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, path: Path, content: bytes) -> None:
        """See `Files.write`."""
        path.write_bytes(content)

    def sync(self, path: Path) -> None:
        """See `Files.sync`."""
        durable.sync(path)

    def replace(self, source: Path, target: Path) -> None:
        """See `Files.replace`."""
        source.replace(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """What the file holds. The journal itself is kept apart until the digest is checked."""

    version: int
    sha256: str
    journal: msgspec.Raw


class JournalFile:
    """The journal of one host, in memory and on disk."""

    def __init__(self, path: Path, files: Files | None = None) -> None:
        """Name the journal at `path`; the directory must exist. It is read when it is used."""
        self.path = path
        self._files = files or RealFiles()
        self._current: Journal | None = None  # None: not read yet.

    @property
    def current(self) -> Journal:
        """What is remembered.

        Raises:
            JournalUnreadable: There is something at `path` that is not a whole journal of ours.
        """
        if self._current is None:
            self._current = self._read()
        return self._current

    @property
    def knows_no_config(self) -> bool:
        """Whether no configuration was ever taken: nothing is known of what was written before.

        The boot may be on record all the same: it is noted while the first one is still awaited.
        """
        return self.current.generation == 0

    def save(self, journal: Journal) -> None:
        """Make `journal` the current one. When this returns it survives a loss of power.

        Raises:
            JournalUnwritable: It could not be stored; the current one stays.
        """
        if journal == self.current:
            return
        beside = self.path.with_name(self.path.name + ".new")
        try:
            self._files.write(beside, _render(journal))
            self._files.sync(beside)
            self._files.replace(beside, self.path)
            self._files.sync(self.path.parent)
        except OSError as problem:
            raise JournalUnwritable(str(self.path), str(problem)) from problem
        self._current = journal

    def _read(self) -> Journal:
        try:
            content = self._files.read(self.path)
        except OSError as problem:
            raise JournalUnreadable(str(self.path), str(problem)) from problem
        if content is None:
            return Journal()
        try:
            stored = json.decode(content, _Stored)
            if stored.version != FORMAT_VERSION:
                problem_text = (
                    f"it is of format {stored.version}, this agent knows {FORMAT_VERSION}"
                )
                raise JournalUnreadable(str(self.path), problem_text)
            if stored.sha256 != _digest(stored.journal):
                raise JournalUnreadable(str(self.path), "its content does not match its digest")
            return json.decode(bytes(stored.journal), Journal)
        except msgspec.DecodeError as problem:  # ValidationError is one, too.
            raise JournalUnreadable(str(self.path), str(problem)) from problem


def _render(journal: Journal) -> bytes:
    content = msgspec.Raw(json.encode(journal))
    return json.encode(_Stored(version=FORMAT_VERSION, sha256=_digest(content), journal=content))


def _digest(content: msgspec.Raw) -> str:
    return hashlib.sha256(bytes(content)).hexdigest()
