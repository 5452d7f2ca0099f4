"""A server as a body of the compute API."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Final

from trunkline.api.compute.fields import Field, render
from trunkline.api.compute.links import bookmark, self_links
from trunkline.api.versions import Microversion
from trunkline.control.views import NicView, ServerView
from trunkline.domain.server import Fault, Flavor, ServerState


@dataclass(frozen=True, slots=True)
class Status:
    """A server's state in Nova's four ways of saying it. `power` as Nova counts power states."""

    status: str
    vm_state: str
    task_state: str | None
    power: int  # 0 no state, 1 running, 3 paused, 4 shut down.


STATUSES: Final[Mapping[ServerState, Status]] = MappingProxyType({
    ServerState.BUILD: Status("BUILD", "building", "spawning", 0),
    ServerState.ACTIVE: Status("ACTIVE", "active", None, 1),
    ServerState.STOPPING: Status("ACTIVE", "active", "powering-off", 1),
    ServerState.SHUTOFF: Status("SHUTOFF", "stopped", None, 4),
    ServerState.STARTING: Status("SHUTOFF", "stopped", "powering-on", 4),
    # Every reboot starts the guest afresh: what Nova calls a hard one.
    ServerState.REBOOTING: Status("HARD_REBOOT", "active", "rebooting_hard", 1),
    ServerState.PAUSING: Status("ACTIVE", "active", "pausing", 1),
    ServerState.PAUSED: Status("PAUSED", "paused", None, 3),
    ServerState.UNPAUSING: Status("PAUSED", "paused", "unpausing", 3),
    ServerState.REBUILDING: Status("REBUILD", "active", "rebuilding", 1),
    ServerState.ERROR: Status("ERROR", "error", None, 0),
    ServerState.DELETED: Status("DELETED", "deleted", None, 0),
})  # fmt: skip

_IN_PROGRESS: Final = frozenset(
    {
        ServerState.ACTIVE,
        ServerState.BUILD,
        ServerState.STOPPING,
        ServerState.PAUSING,
        ServerState.REBUILDING,
    }
)


def states_with(name: str, values: Sequence[str]) -> tuple[ServerState, ...]:
    """Return the states that show one of these values as their status, `vm_state` and so on."""
    wanted = {value.lower() for value in values}
    return tuple(state for state, shown in STATUSES.items() if _shown_as(name, shown) in wanted)


def _shown_as(name: str, shown: Status) -> str:
    match name:
        case "status":
            return shown.status.lower()
        case "vm_state":
            return shown.vm_state
        case "task_state":
            return shown.task_state or "none"
        case "power_state":
            return str(shown.power)
        case _:
            return "0" if shown.vm_state == "building" else "100"  # `progress`.


@dataclass(frozen=True, slots=True)
class Subject:
    """A server, and to whom it is shown."""

    view: ServerView
    version: Microversion
    base_url: str
    for_admin: bool
    extended_addresses: bool = True  # With MAC and kind beside each IP address.

    @property
    def shown(self) -> Status:
        """The server's state in Nova's words."""
        return STATUSES[self.view.server.state]


def server_body(subject: Subject) -> dict[str, Any]:
    """Return a server as GET shows it."""
    return render(_COMMON + _SHOWN, subject, subject.version, for_admin=subject.for_admin)


def listed_body(subject: Subject) -> dict[str, Any]:
    """Return a server as a detailed list shows it: without its server groups."""
    body = server_body(subject)
    body.pop("server_groups", None)
    return body


def updated_body(view: ServerView, version: Microversion, base_url: str) -> dict[str, Any]:
    """Return a server as PUT showed it before 2.75: without the fields that extensions added."""
    subject = Subject(view, version, base_url, for_admin=False, extended_addresses=False)
    return render(_COMMON, subject, version, for_admin=False)


def brief_body(view: ServerView, base_url: str) -> dict[str, Any]:
    """Return a server as a list without details shows it."""
    server = view.server
    return {
        "id": server.id,
        "name": server.name,
        "links": self_links(base_url, "servers", server.id),
    }


def addresses_body(nics: tuple[NicView, ...], *, extended: bool) -> dict[str, list[dict[str, Any]]]:
    """Return the IP addresses of a server, by the names of its networks."""
    addresses: dict[str, list[dict[str, Any]]] = {}
    for nic in nics:
        of_network = addresses.setdefault(nic.network.name, [])
        for fixed_ip in nic.port.port.fixed_ips:
            address: dict[str, Any] = {
                "version": ip_address(fixed_ip.ip_address).version,
                "addr": fixed_ip.ip_address,
            }
            if extended:
                address["OS-EXT-IPS:type"] = "fixed"
                address["OS-EXT-IPS-MAC:mac_addr"] = str(nic.port.port.mac)
            of_network.append(address)
    return addresses


def iso_time(at: datetime) -> str:
    """Return a time as Nova prints it: UTC, whole seconds, ``Z``."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_time(at: datetime | None) -> str | None:
    """Return a time as Nova's extensions print it: microseconds, and no zone."""
    return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _flavor(subject: Subject) -> dict[str, Any]:
    flavor = subject.view.server.flavor
    if subject.version.minor < 47:
        return {"id": flavor.id, "links": bookmark(subject.base_url, "flavors", flavor.id)}
    return _embedded_flavor(flavor)


def _embedded_flavor(flavor: Flavor) -> dict[str, Any]:
    """Return the flavor as it was when the server was made (since 2.47)."""
    return {
        "original_name": flavor.name,
        "vcpus": flavor.vcpus,
        "ram": flavor.memory_mib,
        "disk": flavor.disk_gib,
        "ephemeral": flavor.ephemeral_gib,
        "swap": flavor.swap_mib,
        "extra_specs": dict(flavor.extra_specs),
    }


def _image(subject: Subject) -> object:
    image_id = subject.view.server.image_id
    if image_id is None:
        return ""  # Nova's way of saying that there is none; clients rely on the key.
    image = {"id": image_id, "links": bookmark(subject.base_url, "images", image_id)}
    if subject.version.minor < 98:
        return image
    return image | {"properties": dict(subject.view.server.image_properties)}


def host_digest(project_id: str, host_name: str | None) -> str:
    """Tell a project which of its servers share a host, and nothing about the host."""
    if host_name is None:
        return ""
    return hashlib.sha224(f"{project_id}{host_name}".encode()).hexdigest()


def _fault(subject: Subject) -> dict[str, Any]:
    fault = subject.view.server.fault
    assert fault is not None
    return _fault_body(fault, for_admin=subject.for_admin)


def _fault_body(fault: Fault, *, for_admin: bool) -> dict[str, Any]:
    body = {"code": fault.code, "created": iso_time(fault.at), "message": fault.message}
    return body | ({"details": fault.details} if for_admin and fault.details else {})


def _server_groups(subject: Subject) -> list[str]:
    group_id = subject.view.server.group_id
    return [] if group_id is None else [group_id]


def _group_names(subject: Subject) -> list[str]:
    """Name the groups of each port, as Nova does: one that two ports are in is named twice."""
    return [name for nic in subject.view.nics for name in nic.security_groups]


def _has_fault(subject: Subject) -> bool:
    server = subject.view.server
    return server.fault is not None and server.state in (ServerState.ERROR, ServerState.DELETED)


def _host_name(subject: Subject) -> str | None:
    return None if subject.view.host is None else subject.view.host.name


def _host_status(subject: Subject) -> str:
    """UP, DOWN, MAINTENANCE (an operator disabled it), or nothing while there is no host."""
    host = subject.view.host
    if host is None:
        return ""
    if not subject.view.host_up:
        return "DOWN"
    return "UP" if host.enabled else "MAINTENANCE"


_COMMON: Final[tuple[Field[Subject], ...]] = (
    Field(name="id", value=lambda s: s.view.server.id),
    Field(name="name", value=lambda s: s.view.server.name),
    Field(name="status", value=lambda s: s.shown.status),
    Field(name="tenant_id", value=lambda s: s.view.server.project_id),
    Field(name="user_id", value=lambda s: s.view.server.user_id),
    Field(name="metadata", value=lambda s: dict(s.view.server.metadata)),
    Field(
        name="hostId",
        value=lambda s: host_digest(s.view.server.project_id, _host_name(s)),
    ),
    Field(name="image", value=_image),
    Field(name="flavor", value=_flavor),
    Field(name="created", value=lambda s: iso_time(s.view.server.created_at)),
    Field(name="updated", value=lambda s: iso_time(s.view.server.updated_at)),
    Field(
        name="addresses",
        value=lambda s: addresses_body(s.view.nics, extended=s.extended_addresses),
    ),
    Field(name="accessIPv4", value=lambda s: s.view.server.access_ipv4),
    Field(name="accessIPv6", value=lambda s: s.view.server.access_ipv6),
    Field(name="links", value=lambda s: self_links(s.base_url, "servers", s.view.server.id)),
    Field(name="OS-DCF:diskConfig", value=lambda s: s.view.server.disk_config.value),
    Field(
        name="progress",
        value=lambda s: 0 if s.view.server.state is ServerState.BUILD else 100,
        when=lambda s: s.view.server.state in _IN_PROGRESS,
    ),
    Field(name="fault", value=_fault, when=_has_fault),
    Field(name="locked", value=lambda s: s.view.server.locked_by is not None, since=9),
    Field(name="description", value=lambda s: s.view.server.description, since=19),
    Field(name="tags", value=lambda s: list(s.view.server.tags), since=26),
    Field(name="trusted_image_certificates", value=lambda _: None, since=63),
    Field(name="server_groups", value=_server_groups, since=71),
    Field(name="locked_reason", value=lambda s: s.view.server.locked_reason, since=73),
    Field(name="pinned_availability_zone", value=lambda s: s.view.server.zone, since=96),
    Field(name="scheduler_hints", value=lambda s: dict(s.view.server.scheduler_hints), since=100),
)

_SHOWN: Final[tuple[Field[Subject], ...]] = (
    Field(
        name="security_groups",
        value=lambda s: [{"name": name} for name in _group_names(s)],
        when=lambda s: bool(_group_names(s)),
    ),
    Field(name="OS-EXT-AZ:availability_zone", value=lambda s: s.view.zone or ""),
    Field(name="config_drive", value=lambda s: "True" if s.view.server.config_drive else ""),
    Field(name="key_name", value=lambda s: s.view.server.key_name),
    Field(name="os-extended-volumes:volumes_attached", value=lambda _: []),
    Field(name="OS-SRV-USG:launched_at", value=lambda s: micro_time(s.view.server.launched_at)),
    Field(name="OS-SRV-USG:terminated_at", value=lambda s: micro_time(s.view.server.terminated_at)),
    Field(name="OS-EXT-STS:task_state", value=lambda s: s.shown.task_state),
    Field(name="OS-EXT-STS:vm_state", value=lambda s: s.shown.vm_state),
    Field(name="OS-EXT-STS:power_state", value=lambda s: s.shown.power),
    Field(name="OS-EXT-SRV-ATTR:host", value=_host_name, admin=True),
    Field(name="OS-EXT-SRV-ATTR:hypervisor_hostname", value=_host_name, admin=True),
    Field(name="OS-EXT-SRV-ATTR:instance_name", value=lambda s: s.view.server.id, admin=True),
    Field(
        name="OS-EXT-SRV-ATTR:hostname",
        value=lambda s: s.view.server.hostname,
        since=3,
        admin=True,
        everybody_since=90,
    ),
    Field(
        name="OS-EXT-SRV-ATTR:reservation_id",
        value=lambda s: s.view.server.reservation_id,
        since=3,
        admin=True,
    ),
    Field(
        name="OS-EXT-SRV-ATTR:launch_index",
        value=lambda s: s.view.server.launch_index,
        since=3,
        admin=True,
    ),
    Field(name="OS-EXT-SRV-ATTR:kernel_id", value=lambda _: "", since=3, admin=True),
    Field(name="OS-EXT-SRV-ATTR:ramdisk_id", value=lambda _: "", since=3, admin=True),
    Field(name="OS-EXT-SRV-ATTR:root_device_name", value=lambda _: "/dev/vda", since=3, admin=True),
    Field(
        name="OS-EXT-SRV-ATTR:user_data",
        value=lambda s: s.view.server.user_data,
        since=3,
        admin=True,
    ),
    Field(name="host_status", value=_host_status, since=16, admin=True),
)
