"""Writes to the lab host's kernel, whoever makes them, counted by the kernel itself."""

from __future__ import annotations

import os
from pathlib import Path

from lab.guest.cards import read, run, write

TRACING = Path("/sys/kernel/tracing")
# Each a way to change something: links, VFs and their number, drivers, bridges, addresses. Source:
# Linux net/core/rtnetlink.c, rtnetlink_init(); drivers/pci/iov.c; drivers/base/bus.c.
WRITES = (
    *("rtnl_newlink", "rtnl_setlink", "rtnl_dellink", "rtnl_newlinkprop", "rtnl_dellinkprop"),
    *("rtnl_bridge_setlink", "rtnl_bridge_dellink", "rtnl_fdb_add", "rtnl_fdb_del"),
    *("sriov_numvfs_store", "sriov_drivers_autoprobe_store"),
    *("bind_store", "unbind_store", "drivers_probe_store"),
)


def start_counting() -> None:
    """Have the kernel count from now on."""
    if not (TRACING / "kprobe_events").exists():
        run("mount", "-t", "tracefs", "tracefs", str(TRACING))
    events = os.open(TRACING / "kprobe_events", os.O_WRONLY | os.O_APPEND)  # Else it is cleared.
    for name in WRITES:
        os.write(events, f"p:writes/{name} {name}\n".encode())
    os.close(events)
    write(TRACING / "events/writes/enable", 1)


def stop_counting() -> dict[str, int]:
    """Return how often each was called, without those that were not; nothing counts any more."""
    rows = [line.split() for line in read(TRACING / "kprobe_profile").splitlines()]
    write(TRACING / "events/writes/enable", 0)
    (TRACING / "kprobe_events").write_bytes(b"")
    return {name: int(hits) for name, hits, _missed in rows if int(hits)}
