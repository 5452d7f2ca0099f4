"""Secrets in files of their own, so that a configuration can be shown to anybody."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from trunkline.domain.errors import ErrorKind, TrunklineError

_BYTES_MAX: Final = 4096
ENROLMENT_KEY_CHARACTERS_MIN: Final = 32  # It lets anyone pass for any host: not to be guessed.


class UnusableSecret(TrunklineError):
    """A file that should hold a secret does not, or shows it to everybody."""

    code = "config.unusable_secret"
    kind = ErrorKind.INVALID

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file}: {problem}")
        self.file = file


def read_secret(file: Path, *, characters_min: int = 1) -> str:
    """Return the first line of a file that holds a secret.

    Raises:
        UnusableSecret: It is missing, empty, too short, or every user of the machine can read it.
    """
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(file.stat().st_mode)
            content = opened.read(_BYTES_MAX + 1)
    except OSError as problem:
        raise UnusableSecret(
            file,
            f"it can't be read: {problem.strerror}; make one with "
            f"`umask 077; head -c 32 /dev/urandom | base64 > {file}`",
        ) from problem
    if mode & stat.S_IROTH:
        raise UnusableSecret(file, f"everybody can read it; do `chmod o-r {file}`")
    try:
        secret = content.decode().strip()
    except UnicodeDecodeError as problem:
        raise UnusableSecret(file, "it is not text; write the secret as text") from problem
    if len(content) > _BYTES_MAX or "\n" in secret:
        raise UnusableSecret(file, "it holds more than one line; write the secret alone")
    if len(secret) < characters_min:
        raise UnusableSecret(
            file, f"the secret has {len(secret)} characters, and needs {characters_min} or more"
        )
    return secret
