"""Files of sysfs and their contents. Nothing is remembered and nothing decided.

Source: Linux Documentation/ABI/testing/sysfs-bus-pci and sysfs-class-net.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Final

from trunkline.domain.pci import parse_pci_id

DEVICES: Final = "bus/pci/devices"
_VIRTFN = re.compile(r"virtfn(0|[1-9][0-9]{0,4})")  # TotalVFs has 16 bits.
_SWITCH_ID = re.compile(r"([0-9a-f]{2}){1,32}")  # MAX_PHYS_ITEM_ID_LEN in linux/netdevice.h.
_INT = re.compile(r"-?[0-9]{1,10}")
_CLASS = re.compile(r"0x[0-9a-f]{6}")
# The name of the port that stands for a PF, VF or SF in an eswitch.
# Source: Linux net/devlink/port.c, __devlink_port_phys_port_name_get().
_REPRESENTED = re.compile(r"(c[0-9]+)?pf[0-9]+((vf|sf)[0-9]+)?")
# What reading meets when the function, its driver or its netdev goes away meanwhile, and what a
# netdev answers that is down.
GONE: Final = frozenset({errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR})


class BadContent(ValueError):
    """A file does not say what the kernel's documentation lets it say."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}")


def read_text(path: str) -> str:
    """Read a file of sysfs, whole, less the newline at its end. Raises `OSError`."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # read 1,000 times in 10 ms
        return file.read().decode("ascii", "backslashreplace").rstrip("\n")


def write_text(path: str, text: str) -> None:
    """Write to a file of sysfs, which must be there.

    Raises:
        OSError: Without `filename` if it is what is written that the kernel refuses.
    """
    # Not `open(path, "w")`: that would create the file, to which sysfs says EACCES, not ENOENT.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


def find_text(path: str) -> str | None:
    """Read a file; None if it is not there, or its subject has nothing to say (a netdev is down).

    Raises `OSError` for anything else.
    """
    try:
        return read_text(path)
    except OSError as problem:
        if problem.errno in GONE or problem.errno in (errno.EINVAL, errno.EOPNOTSUPP):
            return None
        raise


def find_int(path: str) -> int | None:
    """Read a file that holds one whole number; None as in `find_text`."""
    text = find_text(path)
    if text is None:
        return None
    if not _INT.fullmatch(text):
        raise BadContent(path, f"holds {text[:40]!r}, not a whole number")
    return int(text)


def find_switch_id(netdev: str) -> str | None:
    """Read the ID of the switch that a netdev is a port of, in hex; None as in `find_text`."""
    path = f"{netdev}/phys_switch_id"
    text = find_text(path)
    if text is not None and not _SWITCH_ID.fullmatch(text):
        raise BadContent(path, f"holds {text[:40]!r}, not the ID of a switch")
    return text


def read_pci_id(path: str) -> str:
    """Read a vendor or product ID, as four lower-case hex digits."""
    text = read_text(path)
    try:
        return parse_pci_id(text)
    except ValueError as problem:
        raise BadContent(path, f"is {problem}") from None


def read_class(path: str) -> int:
    """Read the class code of a PCI function: base class, subclass and interface, 8 bits each."""
    text = read_text(path)
    if not _CLASS.fullmatch(text):
        raise BadContent(path, f"holds {text[:40]!r}, not a class of PCI functions")
    return int(text, 16)


def find_link_name(path: str) -> str | None:
    """Return the last part of where a symbolic link leads; None if there is no link."""
    try:
        target = os.readlink(path)  # noqa: PTH115  # read 1,000 times in 10 ms
    except OSError as problem:
        if problem.errno in GONE:
            return None
        raise
    return target.rpartition("/")[2]


def netdevs(device: str) -> list[str]:
    """List the netdevs of a PCI function, the one on the lowest port of the card first.

    Several are on one function where one function serves several ports (mlx4). Representors, which
    are of other functions, are left out.
    """
    names = _netdevs(device)
    if len(names) > 1:
        names = [name for name in names if not is_representor(f"{device}/net/{name}")]
        names.sort(key=lambda name: (find_int(f"{device}/net/{name}/dev_port") or 0, name))
    return names


def has_representors(device: str) -> bool:
    """Whether representors of VFs are below a PF: its eswitch is in switchdev mode.

    The mode itself is told by devlink, to root alone; the ID of the switch is there in legacy mode
    too. Kernels before 5.10 have representors of some drivers elsewhere.
    Source: Linux net/devlink/dev.c, DEVLINK_CMD_ESWITCH_GET; commit 123f0f53dd64.
    """
    names = _netdevs(device)
    return len(names) > 1 and any(is_representor(f"{device}/net/{name}") for name in names)


def _netdevs(device: str) -> list[str]:
    try:
        return os.listdir(f"{device}/net")  # noqa: PTH208  # read 1,000 times in 10 ms
    except OSError as problem:
        if problem.errno in GONE:
            return []
        raise


def is_representor(netdev: str) -> bool:
    """Whether the netdev in this directory is a switch's port to a VF, say: none to outside."""
    name = find_text(f"{netdev}/phys_port_name")
    return name is not None and _REPRESENTED.fullmatch(name) is not None


def neighbours(netdev: str, prefix: str) -> list[str]:
    """Return the netdevs right above (`upper_`) or below (`lower_`) the one in this directory.

    None of one that has gone. Source: Linux net/core/dev.c, netdev_adjacent_sysfs_add().
    """
    try:
        names = os.listdir(netdev)  # noqa: PTH208  # as elsewhere in sysfs
    except OSError as problem:
        if problem.errno in GONE:
            return []
        raise
    return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))


def vf_names(device: str) -> dict[int, str]:
    """Map the index of each VF of a PF to where its link ``virtfnN`` leads: an address."""
    found: dict[int, str] = {}
    for name in os.listdir(device):  # noqa: PTH208
        match = _VIRTFN.fullmatch(name)
        if match is not None and (target := find_link_name(f"{device}/{name}")) is not None:
            found[int(match.group(1))] = target
    return found
