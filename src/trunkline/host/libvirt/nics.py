"""NICs that a domain is given while it runs, and those that are taken from it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Final

import libvirt

from trunkline.host.libvirt.link import Link
from trunkline.host.libvirt.reading import find_nic
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.nic_steps import PlugNic, UnplugNic

# How long a guest is waited for that is to let go of a device. One whose kernel boots, or hangs,
# does not hear of it at all; a device that is busy may take it seconds.
UNPLUG_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.5  # If its event should get lost.
_BEING_UNPLUGGED: Final = "already in the process of unplug"  # As QEMU says it.


def plug(domain: Any, step: PlugNic) -> None:
    """Give a domain one NIC more, and write it into its definition unless it is there already."""
    flags = libvirt.VIR_DOMAIN_AFFECT_LIVE
    if domain.isPersistent() and _defined(domain, step) is None:
        flags |= libvirt.VIR_DOMAIN_AFFECT_CONFIG
    domain.attachDeviceFlags(step.xml, flags)


def unplug(domain: Any, step: UnplugNic, link: Link, *, seconds: float) -> None:
    """Take a NIC from a domain, and out of its definition; return once its guest let go of it.

    Raises:
        HostRefused: It has not within `seconds`.
    """
    if domain.isPersistent() and (defined := _defined(domain, step)) is not None:
        domain.detachDeviceFlags(defined, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    found = _live(domain, step)
    if found is None:
        return
    _ask(domain, found)
    end = time.monotonic() + seconds
    while _live(domain, step) is not None:
        left = end - time.monotonic()
        if left <= 0:
            problem = f"its guest has not let go of it within {seconds:g} s"
            raise HostRefused(str(step), problem, transient=True)
        link.await_news(min(left, _LOOK_SECONDS))


def _ask(domain: Any, nic_xml: str) -> None:
    try:
        domain.detachDeviceFlags(nic_xml, libvirt.VIR_DOMAIN_AFFECT_LIVE)
    except libvirt.libvirtError as problem:
        if _BEING_UNPLUGGED not in (problem.get_error_message() or ""):
            raise


def _live(domain: Any, step: UnplugNic) -> str | None:
    return find_nic(domain.XMLDesc(0), device=step.device, ifname=step.ifname)


def _defined(domain: Any, step: PlugNic | UnplugNic) -> str | None:
    with suppress(libvirt.libvirtError):  # It has just been undefined.
        xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        return find_nic(xml, device=step.device, ifname=step.ifname)
    return None
