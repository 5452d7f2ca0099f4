"""compute.toml: what `trunkline agent` needs to know on a host."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from trunkline.bootstrap.toml_reading import InvalidConfig, is_http_url, read_table, read_toml
from trunkline.domain.auto_bridges import AUTO
from trunkline.domain.device_spec import DeviceSpec
from trunkline.domain.device_spec_parsing import InvalidDeviceSpecs, parse_device_specs
from trunkline.domain.host import COUNT_MAX
from trunkline.domain.ids import HostName, PhysicalNetwork
from trunkline.reconcile.report import DriftPolicy

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_IFNAME_BYTES_MAX: Final = 15  # IFNAMSIZ less the final NUL, linux/if.h.

_Name = Annotated[str, Meta(min_length=1, max_length=255)]
_Count = Annotated[int, Meta(ge=0, le=COUNT_MAX)]


class _Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the file, as far as it can be checked by type alone."""


class _Controller(_Table, frozen=True, kw_only=True):
    url: _Name
    enrolment_key_file: _Name
    ca_file: _Name | None = None


class _Libvirt(_Table, frozen=True, kw_only=True):
    uri: _Name = "qemu:///system"
    domain_type: Literal["kvm", "qemu"] = "kvm"
    storage_dir: _Name = "/var/lib/trunkline/guests"
    image_cache_gib: _Count = 100


class _Helper(_Table, frozen=True, kw_only=True):
    socket: _Name = "/run/trunkline/host-helper.sock"


class _Resources(_Table, frozen=True, kw_only=True):
    vcpus: _Count | None = None
    memory_mib: _Count | None = None
    disk_gib: _Count | None = None


class _File(_Table, frozen=True, kw_only=True):
    controller: _Controller
    state_dir: _Name
    host: _Name | None = None
    drift: Literal["repair", "report"] = "repair"
    libvirt: _Libvirt = _Libvirt()
    helper: _Helper = _Helper()
    bridges: dict[str, str] = msgspec.field(default_factory=dict)
    resources: _Resources = _Resources()
    device_spec: list[dict[str, Any]] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenResources:
    """What the host may give to servers, where the operator says it. None: all that it has."""

    vcpus: int | None = None
    memory_mib: int | None = None
    disk_gib: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeConfig:
    """What `compute.toml` says, checked. Paths are absolute."""

    host: HostName
    controller_url: str
    enrolment_key_file: Path
    ca_file: Path | None
    state_dir: Path  # The journal, and the host's token.
    libvirt_uri: str
    domain_type: str  # `kvm` or `qemu`.
    storage_dir: Path  # Of servers' disks, images and consoles; QEMU reads and writes there.
    image_cache_gib: int  # Images that no disk stands on go first beyond that.
    helper_socket: Path
    device_specs: tuple[DeviceSpec, ...]
    bridges: Mapping[PhysicalNetwork, str]  # For `normal` ports; may be AUTO.
    resources: GivenResources = field(default_factory=GivenResources)
    drift: DriftPolicy = DriftPolicy.REPAIR

    @property
    def console_dir(self) -> Path:
        """Where libvirt writes what guests say on their serial consoles."""
        return self.storage_dir / "consoles"


def load_compute_config(path: Path, *, host: str | None = None) -> ComputeConfig:
    """Read and check compute.toml.

    Args:
        path: Relative paths in the file are relative to its directory.
        host: Goes before the file's `host`, so that equal hosts can share one file. Without
            either, it is the machine's own name.

    Raises:
        InvalidConfig: Something is wrong with it; every fault is told, with its place and remedy.
    """
    faults: list[str] = []
    file = read_table(_File, read_toml(path), "", faults)
    if file is None:
        raise InvalidConfig(path, faults)
    name = host or file.host or socket.gethostname()
    if not _HOST_NAME.fullmatch(name):
        faults.append(f"host: {name!r} is no host name; use letters, digits, . and -")
    if not is_http_url(file.controller.url):
        faults.append("controller.url: not a URL; write http(s)://HOST[:PORT]")
    specs = _device_specs(file.device_spec, faults)
    faults += _case_faults(specs, file.bridges)
    faults += _auto_faults(specs, file.bridges)
    faults += [
        f"bridges.{network}: {bridge!r} can't be a bridge's name; use 1 to {_IFNAME_BYTES_MAX} "
        "bytes without / and blanks"
        for network, bridge in file.bridges.items()
        if not _is_ifname(bridge)
    ]
    if faults:
        raise InvalidConfig(path, faults)
    directory = path.absolute().parent
    ca_file = file.controller.ca_file
    return ComputeConfig(
        host=HostName(name),
        controller_url=file.controller.url.rstrip("/"),
        enrolment_key_file=directory / file.controller.enrolment_key_file,
        ca_file=None if ca_file is None else directory / ca_file,
        state_dir=directory / file.state_dir,
        libvirt_uri=file.libvirt.uri,
        domain_type=file.libvirt.domain_type,
        storage_dir=directory / file.libvirt.storage_dir,
        image_cache_gib=file.libvirt.image_cache_gib,
        helper_socket=directory / file.helper.socket,
        device_specs=specs,
        bridges={PhysicalNetwork(network): bridge for network, bridge in file.bridges.items()},
        resources=GivenResources(
            vcpus=file.resources.vcpus,
            memory_mib=file.resources.memory_mib,
            disk_gib=file.resources.disk_gib,
        ),
        drift=DriftPolicy(file.drift),
    )


def _device_specs(raw: list[dict[str, Any]], faults: list[str]) -> tuple[DeviceSpec, ...]:
    try:
        return parse_device_specs(raw, path="device_spec", allow_auto=True)
    except InvalidDeviceSpecs as problem:
        faults += problem.faults
        return ()


def _case_faults(specs: tuple[DeviceSpec, ...], bridges: Mapping[str, str]) -> list[str]:
    """Names of physical networks that differ in case only are one name, mistyped."""
    faults: list[str] = []
    seen: dict[str, str] = {}
    named = [
        (f"device_spec[{at}].physical_network", spec.physical_network)
        for at, spec in enumerate(specs)
        if spec.physical_network is not None
    ]
    named += [(f"bridges.{network}", network) for network in bridges]
    for place, name in named:
        earlier = seen.setdefault(name.casefold(), name)
        if earlier != name:
            faults.append(
                f"{place}: physical network {name!r} differs from {earlier!r} in case only; write "
                "both alike"
            )
    return faults


def _auto_faults(specs: tuple[DeviceSpec, ...], bridges: Mapping[str, str]) -> list[str]:
    """A bridge is found by the PFs that are its uplinks, and these by what specs say of them."""
    cabled = {spec.physical_network for spec in specs}
    return [
        f'bridges.{network}: "{AUTO}" needs a device_spec with physical_network = "{network}", by'
        " whose PFs the bridge is found; add one, or write the bridge's name"
        for network, bridge in bridges.items()
        if bridge == AUTO and network not in cabled
    ]


def _is_ifname(name: str) -> bool:
    return (
        0 < len(name.encode()) <= _IFNAME_BYTES_MAX
        and name not in (".", "..")
        and not any(sign in "/:" or sign.isspace() for sign in name)
    )
