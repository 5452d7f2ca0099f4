"""Servers: the VMs, as far as placing and plugging them needs to know."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from trunkline.domain.host import HostUse
from trunkline.domain.ids import (
    FlavorId,
    HostId,
    ImageId,
    PortId,
    ProjectId,
    ServerGroupId,
    ServerId,
    UserId,
    ZoneName,
)
from trunkline.domain.nic_rules import NicRule, NumaPolicy
from trunkline.domain.numa import NumaUse
from trunkline.domain.pci_request import PciRequest
from trunkline.domain.server_lock import LockedBy
from trunkline.domain.state_machine import StateMachine


class ServerState(enum.Enum):
    """Drawn in docs/state-machines.md. The values are Nova's `status` where it has one."""

    BUILD = "BUILD"  # Placed; the host has not shown it running.
    ACTIVE = "ACTIVE"  # The host observed it running, with all its NICs as desired.
    STOPPING = "STOPPING"  # To be stopped; still running, as far as is known.
    SHUTOFF = "SHUTOFF"  # The host observed it stopped; it keeps its devices.
    STARTING = "STARTING"  # To run again; not yet seen to.
    REBOOTING = "REBOOTING"  # To be started afresh, or again after a crash; not yet seen to.
    PAUSING = "PAUSING"  # Its guest is to be halted where it is; still running, as far as is known.
    PAUSED = "PAUSED"  # The host observed its guest halted; it keeps its devices, and its memory.
    REBUILDING = "REBUILDING"  # To have a new disk, and to be as it was before; not yet seen to.
    UNPAUSING = "UNPAUSING"  # To go on where it was halted; not yet seen to.
    ERROR = "ERROR"  # `fault` says why.
    DELETED = "DELETED"  # Gone for its owner; devices may still be on their way back.


class ServerEvent(enum.Enum):
    """What can happen to a server."""

    RUN = "run"  # The host observed it running as desired.
    HALT = "halt"  # The host observed it stopped: as desired, or its guest powered itself off.
    RESTART = "restart"  # Its guest ended without being asked to, and its host starts it again.
    STOP = "stop"
    START = "start"
    REBOOT = "reboot"
    PAUSE = "pause"
    UNPAUSE = "unpause"
    REBUILD = "rebuild"
    FREEZE = "freeze"  # The host observed its guest halted, as desired.
    FAIL = "fail"  # It can't be placed, or its host can't make it so.
    REPLACE = "replace"  # A host refused it and another is tried.
    MARK = "mark"  # An admin says that it is in error, whatever its host shows.
    UNMARK = "unmark"  # An admin takes that back.
    DELETE = "delete"


_S, _E = ServerState, ServerEvent
SERVER = StateMachine(
    name="server",
    initial=ServerState.BUILD,
    transitions=MappingProxyType({
        (_S.BUILD, _E.RUN): _S.ACTIVE,
        (_S.BUILD, _E.HALT): _S.SHUTOFF,
        (_S.BUILD, _E.FAIL): _S.ERROR,
        (_S.BUILD, _E.REPLACE): _S.BUILD,
        (_S.BUILD, _E.DELETE): _S.DELETED,
        (_S.ACTIVE, _E.STOP): _S.STOPPING,
        (_S.ACTIVE, _E.HALT): _S.SHUTOFF,
        (_S.ACTIVE, _E.RESTART): _S.REBOOTING,
        (_S.ACTIVE, _E.REBOOT): _S.REBOOTING,
        (_S.ACTIVE, _E.FAIL): _S.ERROR,
        (_S.ACTIVE, _E.DELETE): _S.DELETED,
        (_S.STOPPING, _E.HALT): _S.SHUTOFF,
        (_S.STOPPING, _E.FAIL): _S.ERROR,
        (_S.STOPPING, _E.DELETE): _S.DELETED,
        (_S.SHUTOFF, _E.START): _S.STARTING,
        (_S.SHUTOFF, _E.REBOOT): _S.REBOOTING,  # A hard reboot, as Nova allows it.
        (_S.SHUTOFF, _E.DELETE): _S.DELETED,
        (_S.STARTING, _E.RUN): _S.ACTIVE,
        (_S.STARTING, _E.HALT): _S.SHUTOFF,
        (_S.STARTING, _E.FAIL): _S.ERROR,
        (_S.STARTING, _E.DELETE): _S.DELETED,
        (_S.REBOOTING, _E.RUN): _S.ACTIVE,
        (_S.REBOOTING, _E.HALT): _S.SHUTOFF,
        (_S.REBOOTING, _E.FAIL): _S.ERROR,
        (_S.REBOOTING, _E.DELETE): _S.DELETED,
        (_S.ACTIVE, _E.PAUSE): _S.PAUSING,
        (_S.PAUSING, _E.FREEZE): _S.PAUSED,
        (_S.PAUSING, _E.HALT): _S.SHUTOFF,  # Who pauses a guest does not start it if it has ended.
        (_S.PAUSING, _E.REBOOT): _S.REBOOTING,
        (_S.PAUSING, _E.FAIL): _S.ERROR,
        (_S.PAUSING, _E.DELETE): _S.DELETED,
        (_S.PAUSED, _E.UNPAUSE): _S.UNPAUSING,
        (_S.PAUSED, _E.HALT): _S.SHUTOFF,
        (_S.PAUSED, _E.REBOOT): _S.REBOOTING,
        (_S.PAUSED, _E.FAIL): _S.ERROR,
        (_S.PAUSED, _E.DELETE): _S.DELETED,
        (_S.UNPAUSING, _E.RUN): _S.ACTIVE,
        (_S.UNPAUSING, _E.HALT): _S.SHUTOFF,
        (_S.UNPAUSING, _E.RESTART): _S.REBOOTING,
        (_S.UNPAUSING, _E.REBOOT): _S.REBOOTING,
        (_S.UNPAUSING, _E.FAIL): _S.ERROR,
        (_S.UNPAUSING, _E.DELETE): _S.DELETED,
        (_S.ACTIVE, _E.REBUILD): _S.REBUILDING,
        (_S.SHUTOFF, _E.REBUILD): _S.REBUILDING,
        (_S.ERROR, _E.REBUILD): _S.REBUILDING,  # The other way out of ERROR.
        (_S.REBUILDING, _E.RUN): _S.ACTIVE,
        (_S.REBUILDING, _E.HALT): _S.SHUTOFF,
        (_S.REBUILDING, _E.REBOOT): _S.REBOOTING,  # A way out, where its host tries in vain.
        (_S.REBUILDING, _E.FAIL): _S.ERROR,
        (_S.REBUILDING, _E.DELETE): _S.DELETED,
        (_S.ERROR, _E.REBOOT): _S.REBOOTING,  # Hard reboot is the way out of ERROR.
        (_S.ERROR, _E.UNMARK): _S.ACTIVE,  # If its guest is as it was when it was marked.
        (_S.BUILD, _E.MARK): _S.ERROR,
        (_S.ACTIVE, _E.MARK): _S.ERROR,
        (_S.STOPPING, _E.MARK): _S.ERROR,
        (_S.SHUTOFF, _E.MARK): _S.ERROR,
        (_S.STARTING, _E.MARK): _S.ERROR,
        (_S.REBOOTING, _E.MARK): _S.ERROR,
        (_S.PAUSING, _E.MARK): _S.ERROR,
        (_S.PAUSED, _E.MARK): _S.ERROR,
        (_S.UNPAUSING, _E.MARK): _S.ERROR,
        (_S.REBUILDING, _E.MARK): _S.ERROR,
        (_S.ERROR, _E.MARK): _S.ERROR,
        (_S.ERROR, _E.DELETE): _S.DELETED,
    }),
)  # fmt: skip


class DiskConfig(enum.Enum):
    """Who is to fit a root disk's partitions to it, as the owner says: kept, and told to nobody."""

    AUTO = "AUTO"
    MANUAL = "MANUAL"


class PowerState(enum.Enum):
    """What a server's guest should be doing."""

    RUNNING = "running"
    PAUSED = "paused"  # Halted where it is. One that has ended is not started for that.
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A server's size."""

    id: FlavorId
    name: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    created_at: datetime
    description: str | None = None
    is_public: bool = True
    ephemeral_gib: int = 0
    swap_mib: int = 0
    rxtx_factor: float = 1.0
    disabled: bool = False
    extra_specs: Mapping[str, str] = field(default_factory=dict)

    def use_of(self, numa_node: int | None) -> HostUse:
        """What a server of this size takes of a host, confined to a node of it or not (None)."""
        numa = {} if numa_node is None else {numa_node: NumaUse(self.vcpus, self.memory_mib)}
        return HostUse(self.vcpus, self.memory_mib, self.disk_gib + self.ephemeral_gib, numa)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a server went to ERROR. `details` is for admins only."""

    code: int  # An HTTP-like number, as Nova gives.
    message: str
    details: str = ""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestPlaces:
    """Where a guest finds its NICs, counted from 0, and the first of its devices besides."""

    nics: Mapping[PortId, int]
    first_device: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A VM. Its NICs are the bindings of its ports, in the order of `port_ids`."""

    id: ServerId
    project_id: ProjectId
    user_id: UserId
    name: str
    state: ServerState
    flavor: Flavor  # As it was when the server was made; a flavor may be deleted meanwhile.
    image_id: ImageId | None
    port_ids: tuple[PortId, ...]
    created_at: datetime
    updated_at: datetime
    host_id: HostId | None = None  # None: not placed.
    numa_node: int | None = None  # Of the host: its guest is confined to it.
    nic_tags: Mapping[PortId, str] = field(default_factory=dict)  # Its owner's names for NICs.
    # None: no NIC was attached or detached since it was made, and all are in order.
    places: GuestPlaces | None = None
    power: PowerState = PowerState.RUNNING  # What it should be.
    pci_requests: tuple[PciRequest, ...] = ()  # Devices besides its NICs.
    numa_policy: NumaPolicy | None = None  # Of NICs whose port has none, and of all devices.
    nic_rules: tuple[NicRule, ...] = ()  # Affinity and anti-affinity of its NICs.
    group_id: ServerGroupId | None = None  # The server group that it is a member of.
    zone: ZoneName | None = None  # That it was asked for in, and stays in; None: any.
    boot_number: int = 1  # Raised by each start, reboot and rebuild: an older guest ends for it.
    disk_number: int = 1  # Raised by each rebuild: it is not to run on an older disk.
    excluded_hosts: tuple[HostId, ...] = ()  # Hosts that refused it.
    fault: Fault | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    config_drive: bool = False
    key_name: str | None = None
    public_key: str | None = None  # Of that key pair, as it was when the server was made.
    user_data: str | None = None
    hostname: str = ""
    # Asked for, and kept until its host has it on the config drive, or no host will.
    admin_password: str | None = field(default=None, repr=False)
    access_ipv4: str = ""  # Where its owner says that it is reached; nothing is done with them.
    access_ipv6: str = ""
    disk_config: DiskConfig = DiskConfig.MANUAL
    reservation_id: str = ""
    launch_index: int = 0
    launched_at: datetime | None = None
    terminated_at: datetime | None = None
    locked_by: LockedBy | None = None  # None: it is not locked.
    locked_reason: str | None = None
    # Of its image, as they were when the server was made; those that Nova gives a meaning.
    image_properties: Mapping[str, str] = field(default_factory=dict)
    scheduler_hints: Mapping[str, object] = field(default_factory=dict)  # As they were sent.

    @property
    def guest_places(self) -> GuestPlaces:
        """Where its guest finds what it has: each thing in the same place for good."""
        if self.places is not None:
            return self.places
        count = len(self.port_ids)
        return GuestPlaces(
            nics={port_id: place for place, port_id in enumerate(self.port_ids)}, first_device=count
        )

    @property
    def use(self) -> HostUse:
        """What it takes of the host that it is on, running or not."""
        return self.flavor.use_of(self.numa_node)
