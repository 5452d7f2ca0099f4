"""The real kernel, called inside the lab host; values pass as JSON text."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trunkline.agent.journal import JournalFile
from trunkline.agent.trials import JournalMemory
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.host.linux.capabilities import Capabilities
from trunkline.host.linux.kernel import LinuxKernel
from trunkline.host.linux.probing import LinuxTrials
from trunkline.host.linux.watch import LinuxWatch
from trunkline.host.privileged.direct import DirectWrites
from trunkline.reconcile.interfaces import HostRefused
from trunkline.wire import json

ARGUMENTS: dict[str, Any] = {
    "boot_id": tuple[()],
    "functions": tuple[()],
    "vf_settings": tuple[PciAddress],
    "set_vf": tuple[PciAddress, int, VfChange],
    "set_vf_count": tuple[PciAddress, int],
    "rename_netdev": tuple[str, str],
    "netdev_mac": tuple[str],
    "set_pf_up": tuple[PciAddress],
    "reload_vf_driver": tuple[PciAddress],
    "bridges": tuple[list[str]],
    "pf_addresses": tuple[PciAddress],
    "set_port_vlan": tuple[str, int, bool, bool],
    "set_pf_address": tuple[str, MacAddress, bool],
}
# The last arguments of these go by name.
KEYWORDS = {"set_port_vlan": ("untagged", "member"), "set_pf_address": ("present",)}


def call(method: str, arguments: str) -> dict[str, Any]:
    """Call a method of `LinuxKernel`; return what it returns, or what it refused."""
    kernel = LinuxKernel(DirectWrites())
    try:
        given = list(json.decode(arguments, ARGUMENTS[method]))
        named = {name: given.pop() for name in reversed(KEYWORDS.get(method, ()))}
        returned = getattr(kernel, method)(*given, **named)
    except HostRefused as refusal:
        return {
            "refused": [refusal.operation, refusal.problem],
            "errno_name": refusal.errno_name,
            "transient": refusal.transient,
        }
    return {"returned": json.encode(returned).decode()}


def probe() -> list[dict[str, Any]]:
    """Try the drivers out; return all functions, with what was seen."""
    capabilities = Capabilities(None)
    kernel = LinuxKernel(DirectWrites(), capabilities=capabilities)
    functions = kernel.functions()
    free = {address for address, each in functions.items() if each.pf_address}
    with TemporaryDirectory() as kept:
        memory = JournalMemory(JournalFile(Path(kept) / "journal.json"))
        LinuxTrials(kernel, capabilities).try_out(functions, lambda: free, memory)
    told: list[dict[str, Any]] = json.to_builtins(list(kernel.functions().values()))
    return told


def told_of(command: list[str]) -> dict[str, Any]:
    """Run a command; return what was told of first, and so what wakes an agent."""
    told = threading.Event()
    with LinuxWatch(on_news=told.set) as watch:
        subprocess.run(command, check=True)
        if not told.wait(30):
            raise TimeoutError(f"nothing was told of {command}")
        news = watch.take()
    return {"pfs": sorted(map(str, news.pfs)), "everything": news.everything}


def set_bridge_vlans(ifname: str) -> None:
    """Make a bridge's port a member of VLANs 100, 200 and 300, 200 as its own, less 300."""
    writes = DirectWrites()
    writes.set_bridge_vlan(ifname, 100)
    writes.set_bridge_vlan(ifname, 200, untagged=True)
    writes.set_bridge_vlan(ifname, 300)
    writes.set_bridge_vlan(ifname, 300, member=False)


def set_fdb_entry(ifname: str, mac: str, *, present: bool) -> None:
    """Add or remove an entry of a netdev's own forwarding table."""
    DirectWrites().set_fdb_entry(ifname, MacAddress.parse(mac), present=present)
