"""libvirt networks for network pools: as they should be, and kept so.

A network that a guest has a device of is left alone: libvirt would forget that it has it, and give
the device to the next one too. For the same reason no network is started with a device that a guest
has already, or that another network hands out.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from lxml import etree

from trunkline.domain.device import PciFunction
from trunkline.domain.network_pool import NetworkPool, PoolMode, PoolNetwork
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.domain_xml import METADATA_NAMESPACE
from trunkline.reconcile.observed import DomainState, NetworkState
from trunkline.reconcile.report import DriftFact
from trunkline.reconcile.steps import (
    DefineNetwork,
    DestroyNetwork,
    StartNetwork,
    Step,
    UndefineNetwork,
)
from trunkline.reconcile.users import may_be_had
from trunkline.reconcile.view import Outcome, Verdict, View
from trunkline.vif.elements import add_pci_address

NETWORK_TAG: Final = f"{{{METADATA_NAMESPACE}}}network"  # Of our metadata element.

_SETTLED: Final = Verdict(outcome=Outcome.SETTLED)


def wanted_networks(
    functions: Mapping[PciAddress, PciFunction],
    pools: Mapping[PciAddress, NetworkPool],
    domains: Collection[DomainState] = (),
) -> dict[str, PoolNetwork]:
    """Return the libvirt networks that make these pools, by name; none without a device.

    What others use, or no guest may have, is not in them: libvirt would take it all the same. What
    somebody has attached to a guest of ours as a NIC stays: libvirt counts it as the guest's.
    """
    given = frozenset(at for domain in domains for at in domain.given.values())
    found: dict[NetworkPool, list[PciFunction]] = {}
    for address, pool in pools.items():
        function = functions.get(address)
        if function is None:
            continue
        if may_be_had(function, pool) or not given.isdisjoint((address, function.ifname)):
            found.setdefault(pool, []).append(function)
    networks = {}
    for pool, members in found.items():
        members.sort(key=lambda function: function.vf_index or 0)
        if pool.mode is PoolMode.HOSTDEV:
            names = [str(function.address) for function in members]
        else:
            names = [function.ifname for function in members if function.ifname is not None]
        if names:
            networks[pool.name] = PoolNetwork(pool.mode, tuple(names))
    return networks


def network_xml(name: str, network: PoolNetwork) -> str:
    """Build the definition of a network, the same bytes for the same network each time.

    Devices are listed, rather than their PF named: not all of its VFs need be on offer.
    """
    root = etree.Element("network")
    etree.SubElement(root, "name").text = name
    # libvirt takes another definition of a network only with the UUID that it has.
    etree.SubElement(root, "uuid").text = str(uuid.uuid5(uuid.NAMESPACE_URL, f"trunkline:{name}"))
    metadata = etree.SubElement(root, "metadata")
    etree.SubElement(metadata, NETWORK_TAG, nsmap={"trunkline": METADATA_NAMESPACE})
    forward = etree.SubElement(root, "forward", mode=network.mode.value)
    if network.mode is PoolMode.HOSTDEV:
        forward.set("managed", "yes")
        etree.SubElement(forward, "driver", name="vfio")
    for member in network.members:
        if network.mode is PoolMode.HOSTDEV:
            add_pci_address(forward, PciAddress.parse(member)).set("type", "pci")
        else:
            etree.SubElement(forward, "interface", dev=member)
    etree.indent(root)
    return etree.tostring(root, encoding="unicode") + "\n"


def plan_networks(view: View) -> Iterator[tuple[str, Verdict]]:
    """Yield the libvirt networks with which there is something to do, or to wait for."""
    ours = {name for name, state in view.observed.networks.items() if state.is_ours}
    for name in sorted({*view.networks, *ours}):
        state, wanted = view.observed.networks.get(name), view.networks.get(name)
        if wanted is None:
            verdict = _remove(view, name)
        elif state is None:
            define = DefineNetwork(name=name, xml=network_xml(name, wanted))
            verdict = _unless_given(view, name, wanted) or _to_do([define], name)
        elif not state.is_ours:
            reason = (
                f"libvirt has a network {name} that Trunkline did not make: let it have another"
                f" name (`virsh net-dumpxml {name}`, `net-undefine`, `net-define`)"
            )
            verdict = Verdict(outcome=Outcome.WAITING, reason=reason)
        else:
            verdict = _keep(view, name, state, wanted)
        if verdict is not _SETTLED:
            yield name, verdict


def _remove(view: View, name: str) -> Verdict:
    state = view.observed.networks[name]
    if _is_used(view, name, state):
        return Verdict(
            outcome=Outcome.WAITING, reason="no device spec asks for it, and a guest has a VF of it"
        )
    steps: list[Step] = [DestroyNetwork(name)] if state.is_active else []
    return Verdict(outcome=Outcome.TO_DO, steps=(*steps, UndefineNetwork(name)))


def _keep(view: View, name: str, state: NetworkState, wanted: PoolNetwork) -> Verdict:
    define: Step = DefineNetwork(name=name, xml=network_xml(name, wanted))
    is_defined = state.defined == wanted and state.autostarts
    if state.live == wanted:
        if is_defined:
            return _SETTLED
        # What it is from its next start on can be mended while it is used.
        return _to_do([define], name, found="is defined otherwise", start=False)
    if _is_used(view, name, state):
        remedy = "it is made right once no guest has a VF of it"
        how = "hands out other devices than it is to"
        if not state.is_active:
            how = "was stopped while guests have VFs of it"
            remedy += f"; or `virsh net-start {name}`, and restart libvirt, which counts them anew"
        drift = DriftFact(address=None, ifname=name, found=f"{how}; {remedy}", repaired=False)
        return Verdict(outcome=Outcome.WAITING, reason=f"it {how}; {remedy}", drifts=(drift,))
    waits = _unless_given(view, name, wanted)
    if waits is not None:
        # What it hands out may be what another network waits for.
        stop: list[Step] = [DestroyNetwork(name)]
        found = "hands out other devices"
        return _to_do(stop, name, found=found, start=False) if state.is_active else waits
    if state.is_active:
        steps: list[Step] = [DestroyNetwork(name), UndefineNetwork(name), define]
        return _to_do(steps, name, found="hands out other devices")
    if is_defined:
        return _to_do([], name, found="is stopped")
    return _to_do([UndefineNetwork(name), define], name, found="is stopped and defined otherwise")


def _unless_given(view: View, name: str, wanted: PoolNetwork) -> Verdict | None:
    """Wait with a network one of whose devices libvirt has given already, or may give elsewhere."""
    reason = listed_elsewhere(view, name, wanted)
    for domain in view.observed.domains.values():
        held = {str(address) for address in view.held_by(domain)}
        held.update(domain.ifnames, map(str, domain.given.values()))
        given = sorted(held.intersection(wanted.members))
        if given:
            reason = f"the guest of server {domain.server_id} has {given[0]}, not counted there"
    return Verdict(outcome=Outcome.WAITING, reason=reason) if reason else None


def listed_elsewhere(view: View, name: str, network: PoolNetwork) -> str:
    """Say which other network hands out a device of this one as yet; empty: none does."""
    for other, state in sorted(view.observed.networks.items()):
        listed = () if other == name or state.live is None else state.live.members
        shared = sorted(set(listed).intersection(network.members))
        if shared:
            return f"libvirt hands {shared[0]} out from network {other} as yet"
    return ""


def _to_do(steps: list[Step], name: str, *, found: str = "", start: bool = True) -> Verdict:
    """Let these steps be done, and start the network."""
    if start:
        steps = [*steps, StartNetwork(name)]
    drifts = (DriftFact(address=None, ifname=name, found=found, repaired=False),) if found else ()
    return Verdict(outcome=Outcome.TO_DO, steps=tuple(steps), drifts=drifts)


def _is_used(view: View, name: str, state: NetworkState) -> bool:
    """Whether a guest has a device of it: as libvirt counts, or as the guests themselves show."""
    if state.in_use or view.busy_with(name) is not None:
        return True
    members = {member for each in (state.live, state.defined) if each for member in each.members}
    return any(
        str(given) in members
        for domain in view.observed.domains.values()
        for given in domain.given.values()
    )
