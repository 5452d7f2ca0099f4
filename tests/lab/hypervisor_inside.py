"""The real libvirt, called inside the lab host; values pass as JSON text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from lab.guest import cards
from lab.guest.nested import URI
from trunkline.domain.ids import ServerId
from trunkline.host.libvirt.hypervisor import LibvirtHypervisor
from trunkline.reconcile.interfaces import HostRefused
from trunkline.wire import json

WAIT_SECONDS_MAX = 60


def call(method: str, *arguments: str) -> dict[str, Any]:
    """Call a method of `LibvirtHypervisor`; return what it returns, or what it refused."""
    with LibvirtHypervisor(URI, delete_files=lambda _: None) as hypervisor:
        return _told(lambda: getattr(hypervisor, method)(*arguments))


def see_through(method: str, server_id: ServerId) -> dict[str, Any]:
    """Begin to start or to end a guest, and wait for what comes of it; return what it refused."""
    woken = threading.Event()

    def act() -> None:
        begin = getattr(hypervisor, method)
        had_guest = hypervisor.domains()[server_id].power.has_guest
        begin(server_id)
        while (domain := hypervisor.domains()[server_id]).doing:
            woken.wait(WAIT_SECONDS_MAX)
            woken.clear()
        if domain.power.has_guest == had_guest:
            begin(server_id)  # It tells why the last one failed, and begins nothing.

    with LibvirtHypervisor(URI, delete_files=lambda _: None, on_news=woken.set) as hypervisor:
        return _told(act)


def prepare(physical_networks: Sequence[str], vf_count: int) -> None:
    """Give two PFs VFs that igbvf has taken and nobody has set; quick where that is so already."""
    cards.name_links(physical_networks)
    for pf in ("pf1", "pf2"):
        numvfs = cards.NETDEVS / pf / "device/sriov_numvfs"
        if cards.read(numvfs) != str(vf_count):
            cards.write(numvfs, 0)
            cards.write(numvfs, vf_count)
        for vf_index, settings in enumerate(cards.vf_settings(pf)):
            if settings != cards.UNTOUCHED:
                cards.set_vf(pf, vf_index, mac=cards.UNTOUCHED["mac"], vlan={"vlan": 0, "qos": 0})
            cards.wait_for_vf_netdev(pf, vf_index)
        cards.wait_for_operstate(pf, "up")


def end_all_guests() -> None:
    """Leave no domain behind."""
    with LibvirtHypervisor(URI, delete_files=lambda _: None) as hypervisor:
        for server_id, domain in hypervisor.domains().items():
            if domain.power.has_guest:
                see_through("destroy", server_id)
            hypervisor.undefine(server_id)


def _told(act: Callable[[], object]) -> dict[str, Any]:
    try:
        returned = act()
    except HostRefused as refusal:
        return {
            "refused": [refusal.operation, refusal.problem],
            "errno_name": refusal.errno_name,
            "transient": refusal.transient,
        }
    return {"returned": json.encode(returned).decode()}
