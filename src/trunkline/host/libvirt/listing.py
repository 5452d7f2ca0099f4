"""All domains of a libvirt, by one listing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import libvirt

from trunkline.reconcile.observed import DomainPower

_POWERS: Final[Mapping[int, DomainPower]] = {
    libvirt.VIR_DOMAIN_NOSTATE: DomainPower.SHUT_OFF,
    libvirt.VIR_DOMAIN_RUNNING: DomainPower.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: DomainPower.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: DomainPower.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: DomainPower.RUNNING,  # On its way, and still holds its devices.
    libvirt.VIR_DOMAIN_SHUTOFF: DomainPower.SHUT_OFF,
    libvirt.VIR_DOMAIN_CRASHED: DomainPower.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: DomainPower.RUNNING,  # Its guest sleeps, as it wished to.
}

# Why a domain is shut off, where that was no doing of ours. What libvirt did not see itself, before
# a reboot or while it was not running, has no reason.
_ENDS: Final[Mapping[int, DomainPower]] = {
    libvirt.VIR_DOMAIN_SHUTOFF_SHUTDOWN: DomainPower.POWERED_OFF,
    libvirt.VIR_DOMAIN_SHUTOFF_CRASHED: DomainPower.CRASHED,
}

# What libvirt pauses a guest for while it does it, whoever has asked for that: an agent that was
# killed since, or an operator.
_PAUSED_FOR: Final[Mapping[int, str]] = {
    libvirt.VIR_DOMAIN_PAUSED_STARTING_UP: "its guest is being started",
    libvirt.VIR_DOMAIN_PAUSED_SHUTTING_DOWN: "its guest is being ended",
    libvirt.VIR_DOMAIN_PAUSED_SAVE: "its guest is being saved",
    libvirt.VIR_DOMAIN_PAUSED_DUMP: "its guest's memory is being dumped",
    libvirt.VIR_DOMAIN_PAUSED_SNAPSHOT: "a snapshot of its guest is being made",
}


# What pauses a guest besides commands.
_PAUSED_BY: Final[Mapping[int, str]] = {
    libvirt.VIR_DOMAIN_PAUSED_IOERROR: "an I/O error of its disk, which may be full",
    libvirt.VIR_DOMAIN_PAUSED_WATCHDOG: "its watchdog",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedDomain:
    """A domain, ours or not, as libvirt tells it."""

    uuid: str
    name: str
    xml: str  # As it runs, or as it is defined.
    power: DomainPower
    doing: str  # What libvirt is doing about it, whoever asked for that; empty: nothing.
    paused_by: str  # As `DomainState.paused_by`.


def list_domains(connection: Any) -> Iterator[ListedDomain]:
    """Yield every domain.

    Raises:
        libvirtError: libvirt does not tell.
    """
    for domain in connection.listAllDomains(0):
        try:
            state, reason = domain.state()
            is_paused = state == libvirt.VIR_DOMAIN_PAUSED
            yield ListedDomain(
                uuid=domain.UUIDString(),
                name=domain.name(),
                xml=domain.XMLDesc(0),
                power=_power(state, reason),
                doing=_PAUSED_FOR.get(reason, "") if is_paused else "",
                paused_by=_PAUSED_BY.get(reason, "") if is_paused else "",
            )
        except libvirt.libvirtError as problem:
            # It went between one call and the next.
            if problem.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                raise


def _power(state: int, reason: int) -> DomainPower:
    if state == libvirt.VIR_DOMAIN_SHUTOFF:
        return _ENDS.get(reason, DomainPower.SHUT_OFF)
    return _POWERS.get(state, DomainPower.RUNNING)
