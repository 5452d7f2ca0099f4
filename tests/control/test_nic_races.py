"""NICs attached and detached at two replicas, while others have to do with the same.

The hosts of a round, with VFs on phy1:

    hNa: web and near (1 VF each, running), 1 VF left
    hNb: the two servers of `nic_use_cases` (4 VFs), claimed (1 VF, an admin's), 1 VF left
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import pytest

from tests.conftest import PROFILE
from tests.control.nic_use_cases import NicNames, as_told, prepare_nics, settle
from tests.control.racing import (
    Problems,
    Race,
    Replicas,
    any_wins,
    both_win,
    cases,
    one_wins,
    run_race,
    the_first_wins,
    the_second_wins,
    two_replicas,
)
from tests.control.round import boot, claim, direct
from tests.support.postgres import PostgresCluster
from tests.support.world import (
    ADMIN,
    DEMO,
    PHY1,
    AgentByHand,
    a_card,
    a_network,
)
from trunkline.control.desired import desired_config
from trunkline.control.hosts import set_host_enabled
from trunkline.control.interfaces import attach_interface, detach_interface
from trunkline.control.ports import create_port, delete_port, update_port
from trunkline.control.reports import take_report
from trunkline.control.requests import NicRequest, PortCreate, PortUpdate
from trunkline.control.servers import delete_server, start_server, stop_server
from trunkline.control.services import Services
from trunkline.domain.binding import BindingState
from trunkline.domain.errors import InUse
from trunkline.domain.ids import HostName, NetworkId, PortId, ServerId
from trunkline.domain.port import VnicType
from trunkline.reconcile.report import HostReport

POINTS_MAX = 1000 if PROFILE == "long" else 3  # Statements that one race is stopped before.
LEFT, RIGHT = 3, 6  # VFs of hNa and hNb.


@dataclass(frozen=True, kw_only=True)
class Round:
    hosts: tuple[HostName, HostName]
    blue: NetworkId
    web: ServerId
    near: ServerId
    far: NicNames
    port: PortId  # Unbound, as is the next.
    second: PortId
    claimed: PortId
    told: HostReport  # What the agent of hNb says once its NICs have come and gone;
    refused: HostReport  # or if the one that was to come did not.


def attach_to_web(svc: Services, its: Round) -> None:
    attach_interface(svc, DEMO, its.web, NicRequest(port_id=its.port))


def attach_to_near(svc: Services, its: Round) -> None:
    attach_interface(svc, DEMO, its.near, NicRequest(port_id=its.port))


def attach_to_far(svc: Services, its: Round) -> None:
    attach_interface(svc, DEMO, its.far.up, NicRequest(port_id=its.port))


def attach_second_to_near(svc: Services, its: Round) -> None:
    attach_interface(svc, DEMO, its.near, NicRequest(port_id=its.second))


def attach_web_to_network(svc: Services, its: Round) -> None:
    attach_interface(svc, DEMO, its.web, direct(its.blue))


def attach_near_to_network(svc: Services, its: Round) -> None:
    attach_interface(svc, DEMO, its.near, direct(its.blue))


def attach_claimed(svc: Services, its: Round) -> None:
    attach_interface(svc, DEMO, its.far.up, NicRequest(port_id=its.claimed))


def attach_to_stopped(svc: Services, its: Round) -> None:
    attach_interface(svc, DEMO, its.far.off, NicRequest(port_id=its.port))


def boot_on_blue(svc: Services, its: Round) -> None:
    boot(svc, direct(its.blue))


def boot_with_port(svc: Services, its: Round) -> None:
    boot(svc, NicRequest(port_id=its.port))


def delete_web(svc: Services, its: Round) -> None:
    delete_server(svc, DEMO, its.web)


def stop_web(svc: Services, its: Round) -> None:
    stop_server(svc, DEMO, its.web)


def delete_far(svc: Services, its: Round) -> None:
    delete_server(svc, DEMO, its.far.up)


def drop_port(svc: Services, its: Round) -> None:
    delete_port(svc, DEMO, its.port)


def rename_port(svc: Services, its: Round) -> None:
    update_port(svc, DEMO, its.port, PortUpdate(name="new"))


def withdraw_claim(svc: Services, its: Round) -> None:
    update_port(svc, ADMIN, its.claimed, PortUpdate(host=None))


def detach_first(svc: Services, its: Round) -> None:
    detach_interface(svc, DEMO, its.far.up, its.far.first)


def detach_coming(svc: Services, its: Round) -> None:
    detach_interface(svc, DEMO, its.far.up, its.far.coming)


def detach_stopped(svc: Services, its: Round) -> None:
    detach_interface(svc, DEMO, its.far.off, its.far.off_port)


def drop_stopped_port(svc: Services, its: Round) -> None:
    with suppress(InUse):  # As long as the server has it.
        delete_port(svc, DEMO, its.far.off_port)


def rename_leaving(svc: Services, its: Round) -> None:
    update_port(svc, DEMO, its.far.leaving, PortUpdate(name="new"))


def start(svc: Services, its: Round) -> None:
    start_server(svc, DEMO, its.far.off)


def told(svc: Services, its: Round) -> None:
    take_report(svc, its.told)


def refused(svc: Services, its: Round) -> None:
    take_report(svc, its.refused)


def web_is_gone(svc: Services, its: Round, problems: Problems) -> None:
    assert problems[1] is None
    assert svc.store.read(lambda tx: tx.servers.find(its.web)) is None
    assert svc.store.read(lambda tx: tx.bindings.find(its.port)) is None


def far_is_gone(svc: Services, its: Round, problems: Problems) -> None:
    assert problems[1] is None
    assert svc.store.read(lambda tx: tx.servers.find(its.far.up)) is None
    assert nics_of(svc, its.far.up) == set()


def the_nic_leaves(svc: Services, its: Round, problems: Problems) -> None:
    assert problems == [None, None]
    assert nics_of(svc, its.far.up) == {its.far.first, its.far.coming}
    bindings = svc.store.read(lambda tx: tx.bindings.of_server(its.far.up))
    assert {binding.state for binding in bindings} == {BindingState.ACTIVE}


def the_nic_was_refused(svc: Services, its: Round, problems: Problems) -> None:
    assert problems[1] is None
    assert its.far.coming not in nics_of(svc, its.far.up)


def nothing_is_left(svc: Services, its: Round, problems: Problems) -> None:
    assert problems[0] is None
    assert nics_of(svc, its.far.off) == set()


def nics_of(svc: Services, server_id: ServerId) -> set[PortId]:
    bindings = svc.store.read(lambda tx: tx.bindings.of_server(server_id))
    return {binding.port_id for binding in bindings}


RACES: Final[Mapping[str, Race[Round]]] = MappingProxyType({
    "one port for servers of two hosts": (attach_to_web, attach_to_far, one_wins),
    "one port for two servers of a host": (attach_to_web, attach_to_near, one_wins),
    "one port for one server, twice": (attach_to_web, attach_to_web, one_wins),
    "one port for a server and a new one": (attach_to_web, boot_with_port, any_wins),
    "the last VF of a host": (attach_to_web, attach_second_to_near, one_wins),
    "the last VF of a host, with ports that are made": (
        attach_web_to_network, attach_near_to_network, one_wins,
    ),
    "the last VF of a host, and a new server": (attach_to_web, boot_on_blue, the_second_wins),
    "attached to a server that is deleted": (attach_to_web, delete_web, web_is_gone),
    "a network and a server that is deleted": (attach_web_to_network, delete_web, web_is_gone),
    "attached to a server that is stopped": (attach_to_web, stop_web, the_second_wins),
    "attached to a server that is started": (attach_to_stopped, start, the_second_wins),
    "attached and its port deleted": (attach_to_web, drop_port, one_wins),
    "attached and its port renamed": (attach_to_web, rename_port, both_win),
    "attached and its claim withdrawn": (attach_claimed, withdraw_claim, the_first_wins),
    "attached while others come and go": (attach_to_far, told, both_win),
    "attached while another is refused": (attach_to_far, refused, both_win),
    "detached twice": (detach_first, detach_first, both_win),
    "detached from a stopped server, twice": (detach_stopped, detach_stopped, one_wins),
    "detached from a server that is deleted": (detach_first, delete_far, far_is_gone),
    "detached from a server that is started": (detach_stopped, start, any_wins),
    "detached and its port deleted": (detach_stopped, drop_stopped_port, nothing_is_left),
    "detached while it is refused": (detach_coming, refused, the_second_wins),
    "detached while others come and go": (detach_coming, told, both_win),
    "gone and told twice": (told, told, the_nic_leaves),
    "refused and told twice": (refused, refused, the_nic_was_refused),
    "gone and its port renamed": (told, rename_leaving, any_wins),
    "gone and its server deleted": (told, delete_far, far_is_gone),
    "refused and its server deleted": (refused, delete_far, far_is_gone),
})  # fmt: skip


class Rounds:
    """Makes one round after the other in the same database."""

    def __init__(self, svc: Services) -> None:
        self._svc = svc
        self._number = 0
        self._hosts: tuple[HostName, ...] = ()
        self._blue = a_network(svc, "blue", (PHY1, 100)).id

    def next(self) -> Round:
        svc, blue = self._svc, self._blue
        self._number += 1
        for host in self._hosts:
            set_host_enabled(svc, ADMIN, host, enabled=False)
        left = self._add_host("a", LEFT)
        web, near = boot(svc, direct(blue)), boot(svc, direct(blue))
        settle(svc, left, number=100)
        set_host_enabled(svc, ADMIN, left, enabled=False)
        right = self._add_host("b", RIGHT)
        up, off = boot(svc, direct(blue)), boot(svc, direct(blue))
        port, second = self._add_port(), self._add_port()
        far = prepare_nics(svc, right, up, off, unbound=port, red=blue)
        claimed = claim(svc, blue, right, RIGHT - 1)
        set_host_enabled(svc, ADMIN, left, enabled=True)
        self._hosts = (left, right)
        config = desired_config(svc, right)
        return Round(
            hosts=(left, right), blue=blue, web=web, near=near, far=far, port=port, second=second,
            claimed=claimed, told=as_told(config, right, number=1000),
            refused=as_told(config, right, number=1001, refused=far.coming),
        )  # fmt: skip

    def _add_host(self, letter: str, vfs: int) -> HostName:
        card = a_card(5, "phy1", vf_count=vfs, serial=self._number)
        return AgentByHand(self._svc, f"h{self._number}{letter}", card).name

    def _add_port(self) -> PortId:
        wanted = PortCreate(network_id=self._blue, vnic_type=VnicType.DIRECT)
        return create_port(self._svc, DEMO, wanted).port.id


@pytest.fixture(scope="module")
def replicas(
    tmp_path_factory: pytest.TempPathFactory, postgres_cluster: PostgresCluster
) -> Iterator[Replicas[Round]]:
    home, url = tmp_path_factory.mktemp("images"), postgres_cluster.new_database()
    with two_replicas(home, url, Rounds) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize(("name", "turn"), cases(RACES))
def test_whoever_is_faster_a_nic_is_held_once(
    replicas: Replicas[Round], name: str, turn: int
) -> None:
    run_race(replicas, RACES[name], turn, points_max=POINTS_MAX)
