"""Simulated hosts on disk: one folder each, made once, then only changed by their own writes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from trunkline.domain.device_spec import DeviceSpec
from trunkline.domain.device_spec_parsing import InvalidDeviceSpecs, parse_device_specs
from trunkline.domain.errors import NotFound
from trunkline.domain.host import HostResources
from trunkline.domain.ids import HostName
from trunkline.host.fake_hypervisor import FakeHypervisor, create_hypervisor
from trunkline.host.fake_kernel import FakeKernel, create_kernel
from trunkline.host.fleet import Fleet, HostDefinition
from trunkline.host.state_file import damaged
from trunkline.wire import json

_KERNEL, _HYPERVISOR, _DESCRIPTION = "kernel.json", "hypervisor.json", "host.json"


@dataclass(frozen=True, kw_only=True)
class _Description:
    """What of a host its kernel does not know."""

    name: HostName
    resources: HostResources
    device_specs: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class SimulatedHost:
    """One simulated host, with all that its agent needs."""

    name: HostName
    kernel: FakeKernel
    hypervisor: FakeHypervisor
    device_specs: tuple[DeviceSpec, ...]
    resources: HostResources

    @property
    def state_files(self) -> tuple[Path, ...]:
        """What is replaced whenever something of the host changes."""
        return self.kernel.path, self.hypervisor.path


def create_hosts(fleet: Fleet, directory: Path, *, only: Collection[str] | None = None) -> int:
    """Make the hosts of `fleet` that `directory` does not have yet; return how many.

    `only` leaves out hosts of other names.

    A host that exists is left as it is, with its guests. One that was being made when the process
    died does not exist: it appears under its name when it is complete.
    """
    directory.mkdir(parents=True, exist_ok=True)
    made = 0
    for host in fleet.hosts():
        wanted = only is None or host.name in only
        if wanted and not (directory / host.name).exists():
            _create_host(host, directory)
            made += 1
    return made


def _create_host(host: HostDefinition, directory: Path) -> None:
    scratch = directory / f".{host.name}.new"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    create_kernel(scratch / _KERNEL, host.kernel)
    create_hypervisor(scratch / _HYPERVISOR, FakeKernel(scratch / _KERNEL))
    description = _Description(
        name=host.name, resources=host.resources, device_specs=host.raw_device_specs
    )
    (scratch / _DESCRIPTION).write_bytes(json.encode(description))
    os.rename(scratch, directory / host.name)  # noqa: PTH104 - as `os.replace` elsewhere


def host_names(directory: Path) -> tuple[HostName, ...]:
    """The hosts that `directory` has, sorted."""
    return tuple(
        HostName(path.name)
        for path in sorted(directory.iterdir())
        if not path.name.startswith(".") and (path / _DESCRIPTION).exists()
    )


def open_host(directory: Path, name: str) -> SimulatedHost:
    """Open a simulated host. Nothing is read of its kernel until it is asked.

    Raises:
        NotFound: `directory` has no such host.
        HostRefused: What describes it is damaged.
    """
    folder = directory / name
    try:
        data = (folder / _DESCRIPTION).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound("simulated host", name) from None
    try:
        description = json.decode(data, _Description)
        device_specs = parse_device_specs(description.device_specs)
    except (msgspec.DecodeError, InvalidDeviceSpecs) as problem:
        raise damaged(folder / _DESCRIPTION, str(problem)) from problem
    kernel = FakeKernel(folder / _KERNEL)
    return SimulatedHost(
        name=description.name,
        kernel=kernel,
        hypervisor=FakeHypervisor(folder / _HYPERVISOR, kernel),
        device_specs=device_specs,
        resources=description.resources,
    )
