"""A host as the two things that Nova makes of it: a hypervisor, and its nova-compute service."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from typing import Any, Final

from trunkline.api.compute.fields import Field, render
from trunkline.api.compute.server_view import micro_time
from trunkline.api.versions import Microversion
from trunkline.control.views import HostView, ServerView

BINARY: Final = "nova-compute"  # Clients ask for the service by this name.


@dataclass(frozen=True, slots=True)
class Subject:
    """A host, and what of it is asked for."""

    view: HostView
    version: Microversion
    servers: tuple[ServerView, ...] | None = None  # None: not asked for.

    @property
    def status(self) -> str:
        """Whether it takes new servers."""
        return "enabled" if self.view.host.enabled else "disabled"

    @property
    def state(self) -> str:
        """Whether its agent is heard."""
        return "up" if self.view.up else "down"


def hypervisor_body(subject: Subject) -> dict[str, Any]:
    """Return a hypervisor with its details."""
    return render(_BRIEF + _DETAILS, subject, subject.version, for_admin=True)


def brief_body(subject: Subject) -> dict[str, Any]:
    """Return a hypervisor as a list without details shows it."""
    return render(_BRIEF, subject, subject.version, for_admin=True)


def uptime_body(subject: Subject) -> dict[str, Any]:
    """Return a hypervisor as its uptime resource showed it before 2.88.

    No agent reports how long its machine has been up, so the text is empty.
    """
    return render(_BRIEF, replace(subject, servers=None), subject.version, for_admin=True) | {
        "uptime": ""
    }


def service_body(view: HostView, version: Microversion) -> dict[str, Any]:
    """Return the nova-compute service of a host."""
    return render(_SERVICE, Subject(view, version), version, for_admin=True)


def _service(subject: Subject) -> dict[str, Any]:
    host = subject.view.host
    return {"id": host.id, "host": host.name, "disabled_reason": host.disabled_reason}


def _service_number(subject: Subject) -> int:
    """Return a number for those who can't take a UUID; no request takes it back."""
    return uuid.UUID(subject.view.host.id).int >> 97  # 31 bits.


def _servers(subject: Subject) -> list[dict[str, str]]:
    return [{"uuid": s.server.id, "name": s.server.name} for s in subject.servers or ()]


def _servers_shown(subject: Subject) -> bool:
    """Nova leaves `servers` out of a host that has none."""
    return bool(subject.servers)


def _cpu_info(subject: Subject) -> object:
    """Return an empty object: a text before 2.28, as JSON."""
    return json.dumps({}) if subject.version.minor < 28 else {}


# The ID is a UUID at every version. Nova counted from 1 before 2.53; clients take either.
_BRIEF: Final[tuple[Field[Subject], ...]] = (
    Field(name="id", value=lambda s: s.view.host.id),
    Field(name="hypervisor_hostname", value=lambda s: s.view.host.name),
    Field(name="state", value=lambda s: s.state),
    Field(name="status", value=lambda s: s.status),
    Field(name="servers", value=_servers, since=53, when=_servers_shown),
)

# What 2.88 took away became the business of Placement and of the guests' own metrics.
_DETAILS: Final[tuple[Field[Subject], ...]] = (
    Field(name="hypervisor_type", value=lambda s: s.view.host.resources.hypervisor_type),
    Field(name="hypervisor_version", value=lambda s: s.view.host.resources.hypervisor_version),
    Field(name="host_ip", value=lambda s: s.view.host.resources.address),
    Field(name="service", value=_service),
    Field(name="uptime", value=lambda _: None, since=88),
    Field(name="vcpus", value=lambda s: s.view.host.resources.vcpus, before=88),
    Field(name="vcpus_used", value=lambda s: s.view.use.vcpus, before=88),
    Field(name="memory_mb", value=lambda s: s.view.host.resources.memory_mib, before=88),
    Field(name="memory_mb_used", value=lambda s: s.view.use.memory_mib, before=88),
    Field(
        name="free_ram_mb",
        value=lambda s: s.view.host.resources.memory_mib - s.view.use.memory_mib,
        before=88,
    ),
    Field(name="local_gb", value=lambda s: s.view.host.resources.disk_gib, before=88),
    Field(name="local_gb_used", value=lambda s: s.view.use.disk_gib, before=88),
    Field(
        name="free_disk_gb",
        value=lambda s: s.view.host.resources.disk_gib - s.view.use.disk_gib,
        before=88,
    ),
    Field(name="disk_available_least", value=lambda _: None, before=88),
    Field(name="running_vms", value=lambda s: s.view.server_count, before=88),
    Field(name="current_workload", value=lambda _: 0, before=88),
    Field(name="cpu_info", value=_cpu_info, before=88),
)

_SERVICE: Final[tuple[Field[Subject], ...]] = (
    Field(name="id", value=_service_number, before=53),
    Field(name="id", value=lambda s: s.view.host.id, since=53),
    Field(name="binary", value=lambda _: BINARY),
    Field(name="host", value=lambda s: s.view.host.name),
    Field(name="zone", value=lambda s: s.view.zone),
    Field(name="status", value=lambda s: s.status),
    Field(name="state", value=lambda s: s.state),
    Field(name="updated_at", value=lambda s: micro_time(s.view.host.last_seen)),
    Field(name="disabled_reason", value=lambda s: s.view.host.disabled_reason),
    Field(name="forced_down", value=lambda _: False, since=11),
)
