"""An errno as `HostRefused`: its name, its words, and whether trying again may help."""

from __future__ import annotations

import errno
import os

from trunkline.reconcile.interfaces import HostRefused


def errno_name(number: int) -> str:
    """The name that kernel sources use; 95 has two in Python."""
    if number == errno.EOPNOTSUPP:
        return "EOPNOTSUPP"
    return errno.errorcode.get(number, f"errno {number}")


def host_refused(
    operation: str, refusal: OSError, *, transient: frozenset[int] = frozenset({errno.EAGAIN})
) -> HostRefused:
    """Make the error of `operation`, which ended with `refusal`.

    `transient` are the errnos after which the same operation may succeed unchanged.
    """
    number = refusal.errno or errno.EIO
    return HostRefused(
        operation,
        refusal.strerror or os.strerror(number),
        errno_name=errno_name(number),
        transient=number in transient,
    )
