"""SimulatedWatch: what a simulated machine tells by itself, by comparing its state files."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

from trunkline.domain.ids import HostName
from trunkline.domain.pci import PciAddress
from trunkline.host.fake_hypervisor import FakeHypervisor
from trunkline.host.fake_kernel import FakeKernel
from trunkline.host.machine import KernelState, PfRecord
from trunkline.reconcile.interfaces import HostNews, HostRefused
from trunkline.reconcile.observed import DomainPower

LOOK_SECONDS: Final = 0.25  # Between two looks of `ChangeTeller`.
LOOK_SHARE_MAX: Final = 0.05  # Of a core: a look costs a stat of each file, of thousands of hosts.


class SimulatedWatch:
    """Satisfies `reconcile.interfaces.HostWatch`, apart from waking: `ChangeTeller` does that."""

    def __init__(self, kernel: FakeKernel, hypervisor: FakeHypervisor) -> None:
        """Begin to listen: what is so by now is no news."""
        self._kernel = kernel
        self._hypervisor = hypervisor
        self._seen: KernelState | None = None
        self._domains: Mapping[str, tuple[DomainPower, str]] = {}
        self.take()

    @property
    def problem(self) -> str:
        """See `HostWatch.problem`: it looks for itself, and so misses nothing."""
        return ""

    def take(self) -> HostNews:
        """See `HostWatch.take`."""
        try:
            now, seen = self._kernel.state(), self._read_domains()
        except HostRefused:
            # Whoever reads the machine is told why it can't be; once it can be, all is news.
            self._seen = None
            return HostNews()
        before, self._seen = self._seen, now
        domains, self._domains = seen != self._domains, seen
        if before is None:
            return HostNews(everything=True)
        if before is now:
            return HostNews(domains=domains)
        if _addresses(before) != _addresses(now) or before.boots != now.boots:
            return HostNews(everything=True, domains=domains)
        bridges = (before.ports, before.unfiltered_bridges) != (now.ports, now.unfiltered_bridges)
        pairs = zip(before.pfs, now.pfs, strict=True)
        return HostNews(
            pfs=frozenset(new.address for old, new in pairs if old != new),
            domains=domains,
            bridges=bridges,
        )

    def _read_domains(self) -> Mapping[str, tuple[DomainPower, str]]:
        domains = self._hypervisor.state().domains
        return {
            server_id: (record.power, record.under_way) for server_id, record in domains.items()
        }


def _addresses(state: KernelState) -> list[tuple[PciAddress, int]]:
    """The PFs with the number of their VFs, and the plain functions."""
    pfs: list[PfRecord] = state.pfs
    return [(pf.address, len(pf.vfs)) for pf in pfs] + [(each.address, 0) for each in state.plain]


class ChangeTeller:
    """Calls whoever is concerned when the files of a simulated machine were replaced."""

    def __init__(
        self, machines: Mapping[HostName, tuple[Path, ...]], on_news: Callable[[HostName], None]
    ) -> None:
        """Look at these files; `on_news` is called in a thread of its own, once started."""
        self._machines = machines
        self._on_news = on_news
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="changes", daemon=True)
        self._marks: dict[HostName, tuple[tuple[int, int], ...]] = {}

    def __enter__(self) -> Self:
        self._marks = {name: _marks(paths) for name, paths in self._machines.items()}
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _look_on(self) -> None:
        took = 0.0
        while not self._stopping.wait(max(LOOK_SECONDS, took / LOOK_SHARE_MAX)):
            began = time.monotonic()
            for name, paths in self._machines.items():
                marks = _marks(paths)
                if marks != self._marks[name]:
                    self._marks[name] = marks
                    self._on_news(name)
            took = time.monotonic() - began


def _marks(paths: tuple[Path, ...]) -> tuple[tuple[int, int], ...]:
    """What tells a replaced file from the one before; zeros where there is none."""
    found = []
    for path in paths:
        try:
            seen = os.stat(path)  # noqa: PTH116 - a third faster than the path's own
        except OSError:
            found.append((0, 0))
        else:
            found.append((seen.st_ino, seen.st_mtime_ns))
    return tuple(found)
