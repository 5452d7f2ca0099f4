"""What the auditor holds a world to, and what it remembers of it. Imports nothing of Trunkline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

ONE_OWNER: Final = (
    "one owner"  # No device in two guests, nor a PF in one and a VF of it in another.
)
ONE_GUEST: Final = "one guest"  # No server runs on two hosts.
TAGGED_FIRST: Final = "tagged first"  # A guest's VFs carry MAC and VLAN of its NICs, cabled right.
GUARANTEED: Final = "guaranteed"  # No PF guarantees more to its VFs than it may.
ON_ITS_NODE: Final = "on its node"  # A guest under a NUMA policy, and its devices, are as it says.
ROOM: Final = "room"  # No host or node gives guests more vCPUs or memory than it has.
ALL_NICS: Final = "all NICs"  # No guest runs with fewer NICs than were asked for.
ACTIVE_RUNS: Final = "ACTIVE runs"  # What the API calls ACTIVE runs.
PAUSED_RESTS: Final = "PAUSED rests"  # What the API calls PAUSED does not run.
NOTHING_LOST: Final = "nothing lost"  # What was acknowledged is there until its end is.
STAYS_GONE: Final = "stays gone"  # A deleted server never comes back.
FREE_IS_CLEAN: Final = "free is clean"  # No device is free while it is used or not as it was.
IN_SERVICE: Final = "in service"  # Nothing of a PF is given away that was told to be out of it.
TOLD: Final = "told"  # Whose PF loses its link, or has it back, is told so, once.
SEEN_AT_ONCE: Final = "seen at once"  # What a machine tells by itself is acted on within 2 s.
SETTLES: Final = "settles"  # Every server ends up ACTIVE, SHUTOFF, PAUSED or ERROR with a fault.
REBUILT: Final = "rebuilt"  # A server runs on a disk made after its last acknowledged rebuild.
GIVES_BACK: Final = "gives back"  # Nothing is held for what is deleted.
RESTORES: Final = "restores"  # Free VFs are as they were, drifts repaired, PFs in service.
GROUP_KEPT: Final = "group kept"  # Members of a group with a hard policy are as it says.
ZONE_KEPT: Final = "zone kept"  # A server that asked for an availability zone is in it.
NOTHING_RAISES: Final = "nothing raises"  # No part of the system fails in a way nobody meant.
QUIET: Final = "quiet"  # Restarting everything writes nothing.


class Violation(Exception):
    """A promise is broken."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
        self.detail = detail


@dataclass
class Network:
    """A network, as it was acknowledged: the VLAN on each physical network; 0: untagged."""

    vlans: dict[str, int]
    vlan_protocol: str = "802.1Q"


@dataclass
class Nic:
    """What a server's NIC was acknowledged with."""

    network_id: str
    vnic_type: str
    mac: str
    numa: str | None  # The policy of its port.
    port_id: str
    is_claim: bool = False  # An admin has chosen its device, which goes before its policy.

    @classmethod
    def of(cls, port: Mapping[str, Any], *, is_claim: bool = False) -> Nic:
        """Read a port as it is shown."""
        return cls(
            network_id=port["network_id"],
            vnic_type=port["vnic_type"],
            mac=port["mac"],
            numa=port["numa"],
            port_id=port["id"],
            is_claim=is_claim,
        )


@dataclass(frozen=True)
class Flavor:
    """What servers of a flavor ask of their host."""

    vcpus: int
    memory_mib: int
    numa: str | None  # The policy of NICs whose port has none.


@dataclass
class Server:
    """A server, as far as it was acknowledged."""

    nics: list[Nic]
    flavor: Flavor
    status: str
    host: str | None
    has_fault: bool = False
    rebuilds: int = 0  # Those acknowledged.
    delete_asked: bool = False
    deleted: bool = False
    # Port IDs of NICs:
    coming: set[str] = field(default_factory=set)  # Attached; its guest may not have them yet.
    losing: set[str] = field(default_factory=set)  # Detached; its guest may have them still.
    may_lose: set[str] = field(default_factory=set)  # Those, and where no answer came.
    gaining: bool = False  # It was to be given one, which was not seen yet.
    gone_from: set[str] = field(default_factory=set)  # Hosts it was seen to leave after that.
