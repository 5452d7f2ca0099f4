"""`LibvirtHypervisor` with VFs, on a real libvirt: the same suite as the simulated one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from lab.guest import nested
from lab.machine import LabHost
from tests.contract.hypervisor_suite import *  # noqa: F403  # the suite: all of its tests
from tests.contract.hypervisor_suite import HypervisorMachine
from tests.lab import hypervisor_inside
from tests.lab.test_linux_kernel import OTHER_PF, PF, VF_COUNT, KernelInside
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import ServerId
from trunkline.reconcile.interfaces import HostRefused
from trunkline.reconcile.observed import DomainState, NetworkState, OtherDomain
from trunkline.wire import json


@dataclass(frozen=True)
class LibvirtInside:
    """The lab host's libvirt. Satisfies `Hypervisor`."""

    host: LabHost

    def domains(self) -> Mapping[ServerId, DomainState]:
        found: Mapping[ServerId, DomainState] = self._call(
            "domains", type_=dict[ServerId, DomainState]
        )
        return found

    def others(self) -> tuple[OtherDomain, ...]:
        found: tuple[OtherDomain, ...] = self._call("others", type_=tuple[OtherDomain, ...])
        return found

    def define(self, xml: str) -> None:
        self._call("define", xml)

    def start_paused(self, server_id: ServerId) -> None:
        self._call("start_paused", server_id)

    def resume(self, server_id: ServerId) -> None:
        self._call("resume", server_id)

    def destroy(self, server_id: ServerId) -> None:
        self._call("destroy", server_id)

    def undefine(self, server_id: ServerId) -> None:
        self._call("undefine", server_id)

    def networks(self) -> Mapping[str, NetworkState]:
        found: Mapping[str, NetworkState] = self._call("networks", type_=dict[str, NetworkState])
        return found

    def define_network(self, xml: str) -> None:
        self._call("define_network", xml)

    def start_network(self, name: str) -> None:
        self._call("start_network", name)

    def destroy_network(self, name: str) -> None:
        self._call("destroy_network", name)

    def undefine_network(self, name: str) -> None:
        self._call("undefine_network", name)

    def see_through(self, method: str, server_id: ServerId) -> None:
        """Begin to start or to end a guest, and wait until that is done."""
        call = self.host.channel.call
        self._returned(call(hypervisor_inside.see_through, method, server_id))

    def _call(self, method: str, *arguments: str, type_: Any = None) -> Any:
        said = self.host.channel.call(hypervisor_inside.call, method, *arguments)
        return self._returned(said, type_)

    def _returned(self, said: dict[str, Any], type_: Any = None) -> Any:
        if "refused" in said:
            raise HostRefused(
                *said["refused"], errno_name=said["errno_name"], transient=said["transient"]
            )
        return json.decode(said["returned"], type_)


class LabMachine(HypervisorMachine):
    pf, other_pf = PF, OTHER_PF

    def __init__(self, host: LabHost) -> None:
        self.host = host
        self.kernel = KernelInside(host)
        self.hypervisor: LibvirtInside = LibvirtInside(host)

    def start_paused(self, server_id: ServerId) -> None:
        self.hypervisor.see_through("start_paused", server_id)

    def destroy(self, server_id: ServerId) -> None:
        self.hypervisor.see_through("destroy", server_id)

    def set_pf_down(self) -> None:
        self.host.channel.run("ip", "link", "set", "pf1", "down")

    def netdev_mac(self, ifname: str) -> MacAddress:
        address = self.host.channel.run("cat", f"/sys/class/net/{ifname}/address")
        return MacAddress.parse(address.strip())

    def macvtaps(self) -> set[str]:
        links = self.host.channel.run("ip", "-o", "link", "show", "type", "macvtap").splitlines()
        return {link.split()[1].partition("@")[0] for link in links}


@pytest.fixture(scope="module")
def fresh(running_lab_host: LabHost) -> LabMachine:
    """The lab host with libvirt, and VFs that igbvf has taken."""
    running_lab_host.reset(vf_count=0)
    running_lab_host.channel.call(nested.start_libvirtd)
    return LabMachine(running_lab_host)


@pytest.fixture
def machine(fresh: LabMachine) -> Iterator[LabMachine]:
    """The same for each test: making VFs anew takes seconds."""
    call = fresh.host.channel.call
    networks = [card.physical_network for card in fresh.host.cards]
    call(hypervisor_inside.prepare, networks, VF_COUNT)
    yield fresh
    call(hypervisor_inside.end_all_guests)
