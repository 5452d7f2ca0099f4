"""Each use case, failing and dying at each of its statements: all of it is kept, or nothing.

h1, h2, each with one PF on phy1 and one on phy2, 4 VFs each; `held` is a server that runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from tests.control.faulty_store import at_statement, contents, die, fail
from tests.support.world import (
    ADMIN,
    DEMO,
    PHY1,
    PHY2,
    AgentByHand,
    a_card,
    a_flavor,
    a_network,
    a_world,
)
from trunkline.control.desired import desired_config
from trunkline.control.network_requests import NetworkCreate
from trunkline.control.networks import create_network
from trunkline.control.ports import create_port
from trunkline.control.reports import take_report
from trunkline.control.requests import NicRequest, PortCreate, ServerCreate
from trunkline.control.servers import create_server, delete_server
from trunkline.control.services import Services
from trunkline.domain.errors import StoreUnavailable
from trunkline.domain.ids import FlavorId, HostName, NetworkId, PortId, ServerId
from trunkline.domain.port import VnicType
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    HostReport,
    ServerCondition,
    ServerFact,
)

STATEMENTS_MAX = 400  # Far above what any of them takes: the loop must end by success.


@dataclass(frozen=True)
class Names:
    """What the use cases act on; IDs, so that a new process finds the same."""

    blue: NetworkId
    red: NetworkId
    port: PortId
    held: ServerId
    host: HostName
    gone: ServerId
    gone_host: HostName


def nics(names: Names) -> tuple[NicRequest, ...]:
    return (
        NicRequest(port_id=names.port),
        NicRequest(network_id=names.red, vnic_type=VnicType.DIRECT),
        NicRequest(network_id=names.blue, vnic_type=VnicType.MACVTAP),
    )


def boot(svc: Services, *wanted: NicRequest) -> ServerId:
    request = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=wanted)
    return create_server(svc, DEMO, request).id


def report(svc: Services, host: HostName, *facts: DeviceFact | ServerFact) -> None:
    take_report(
        svc,
        HostReport(
            host=host,
            run_id="run",
            number=1000,
            generation=0,
            devices=tuple(fact for fact in facts if isinstance(fact, DeviceFact)),
            servers=tuple(fact for fact in facts if isinstance(fact, ServerFact)),
        ),
    )


def ready(svc: Services, names: Names) -> None:
    [server] = desired_config(svc, names.host).servers
    devices = [
        DeviceFact(
            address=nic.device.address, epoch=nic.device.epoch, condition=DeviceCondition.READY
        )
        for nic in server.nics
        if nic.device
    ]
    running = ServerFact(
        id=server.id, boot_number=server.boot_number, condition=ServerCondition.RUNNING
    )
    report(svc, names.host, *devices, running)


def refused(svc: Services, names: Names) -> None:
    failed = ServerFact(id=names.held, boot_number=1, condition=ServerCondition.FAILED, reason="no")
    report(svc, names.host, failed)


def clean(svc: Services, names: Names) -> None:
    releases = desired_config(svc, names.gone_host).releases
    facts = [
        DeviceFact(address=held.address, epoch=held.epoch, condition=DeviceCondition.CLEAN)
        for held in releases
    ]
    report(svc, names.gone_host, *facts)


def inventory(svc: Services, names: Names) -> None:
    cards = tuple(a_card(0x82, "phy2", serial=1, vf_count=6))
    take_report(
        svc,
        HostReport(host=names.host, run_id="next", number=1, generation=0, inventory=cards),
    )


def claim(svc: Services, names: Names) -> None:
    create_port(
        svc,
        ADMIN,
        PortCreate(
            network_id=names.blue,
            vnic_type=VnicType.DIRECT,
            host=names.host,
            profile={"pci_slot": "0000:05:02.3"},
        ),
    )


USE_CASES: Final[Mapping[str, Callable[[Services, Names], object]]] = MappingProxyType({
    "create a server": lambda svc, names: boot(svc, *nics(names)),
    "delete a server": lambda svc, names: delete_server(svc, DEMO, names.held),
    "take in that a server runs": ready,
    "take in that a server was refused": refused,
    "take in that devices are clean": clean,
    "take in an inventory": inventory,
    "create a port": lambda svc, names: create_port(svc, DEMO, PortCreate(network_id=names.blue)),
    "claim a device": claim,
    "create a network": lambda svc, _: create_network(svc, DEMO, NetworkCreate(name="own")),
})  # fmt: skip


def prepare(svc: Services) -> Names:
    a_flavor(svc)
    for n in (1, 2):
        AgentByHand(svc, f"h{n}", a_card(5, "phy1", serial=n) + a_card(0x82, "phy2", serial=n))
    blue, red = a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 200))
    port = create_port(svc, DEMO, PortCreate(network_id=blue.id, vnic_type=VnicType.DIRECT)).port
    direct = NicRequest(network_id=blue.id, vnic_type=VnicType.DIRECT)
    held, gone = boot(svc, direct, direct), boot(svc, direct)
    hosts = {host.id: host.name for host in svc.store.read(lambda tx: tx.hosts.all())}
    servers = svc.store.read(lambda tx: tx.servers.get_many([held, gone]))
    delete_server(svc, DEMO, gone)
    of = {server.id: hosts[server.host_id] for server in servers.values() if server.host_id}
    return Names(blue.id, red.id, port.id, held, of[held], gone, of[gone])


def index_agrees(svc: Services) -> None:
    svc.store.write(svc.fleet.refresh)
    for host in svc.store.read(lambda tx: tx.hosts.all()):
        stored = svc.store.read(lambda tx: svc.fleet.stored_view(tx, host))  # noqa: B023
        assert svc.fleet.view(host.id) == stored


@pytest.mark.parametrize("name", USE_CASES)
def test_a_use_case_that_fails_at_any_statement_keeps_nothing_and_can_be_run_again(
    name: str, tmp_path: Path
) -> None:
    with a_world(tmp_path) as svc:
        names = prepare(svc)
        before = contents(tmp_path / "trunkline.db")
        for number in range(1, STATEMENTS_MAX):
            with at_statement(svc, number, fail), suppress(StoreUnavailable):
                USE_CASES[name](svc, names)
                break
            assert contents(tmp_path / "trunkline.db") == before, f"at statement {number}"
            index_agrees(svc)
        else:
            raise AssertionError("it never succeeded")
        assert number > 3, "nothing was made to fail"
        assert contents(tmp_path / "trunkline.db") != before
        index_agrees(svc)


@pytest.mark.slow
@pytest.mark.parametrize("name", USE_CASES)
def test_a_process_that_dies_at_any_statement_has_done_all_or_nothing(
    name: str, tmp_path: Path
) -> None:
    with a_world(tmp_path) as svc:
        names = prepare(svc)
    before = contents(tmp_path / "trunkline.db")
    for number in range(1, STATEMENTS_MAX):
        died = run_in_a_child(tmp_path, name, names, number)
        after = contents(tmp_path / "trunkline.db")
        if not died:
            assert after != before
            break
        assert after == before, f"at statement {number}"
    else:
        raise AssertionError("it never succeeded")
    assert number > 3, "nothing was killed"
    with a_world(tmp_path, seed=2) as svc:
        index_agrees(svc)
        boot(svc, NicRequest(network_id=names.red, vnic_type=VnicType.DIRECT))


def run_in_a_child(directory: Path, name: str, names: Names, number: int) -> bool:
    """Run a use case in a process that kills itself at a statement; say whether it did."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with a_world(directory, seed=1) as svc, at_statement(svc, number, die):
                USE_CASES[name](svc, names)
            status = 0
        finally:
            sys.stdout.flush()
            os._exit(status)  # Nothing of the test runner's may run in the child.
    _, ended = os.waitpid(child, 0)
    assert os.WIFSIGNALED(ended) or os.WEXITSTATUS(ended) == 0, "the use case failed in the child"
    return os.WIFSIGNALED(ended)
