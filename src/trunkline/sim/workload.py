"""The workload: asks for things as tenants and an admin would, and never judges.

Every request goes to the auditor with its answer, both as plain dicts: an answer that was lost as
None, a refusal by its code.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from trunkline.control.devices import list_devices
from trunkline.control.events import list_events
from trunkline.control.flavors import FlavorCreate, create_flavor
from trunkline.control.hosts import set_host_enabled
from trunkline.control.network_requests import NetworkCreate, SegmentRequest
from trunkline.control.networks import create_network
from trunkline.control.ports import create_port, delete_port, list_ports
from trunkline.control.qos_policies import QosRuleUpdate, update_rule
from trunkline.control.requests import NicRequest, PortCreate, ServerCreate
from trunkline.control.servers import (
    delete_server,
    list_servers,
    reboot_server,
    start_server,
    stop_server,
)
from trunkline.control.services import Services
from trunkline.domain.errors import TrunklineError
from trunkline.domain.identity import Caller
from trunkline.domain.ids import (
    HostName,
    NetworkId,
    PhysicalNetwork,
    PortId,
    QosPolicyId,
    QosRuleId,
)
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import NetworkType
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.port import VnicType
from trunkline.sim.callers import ADMIN, TENANTS
from trunkline.sim.lives import Dropped
from trunkline.sim.nic_changes import NicChanges
from trunkline.sim.policies import a_policy
from trunkline.sim.shapes import FLAVOR_WEIGHTS, FLAVORS, POLICIES, POLICY_CHANCE
from trunkline.sim.shown import created, device_dict, event_dict, nic_dict, port_dict, server_dict
from trunkline.sim.trace import Trace
from trunkline.sim.whims import Whims
from trunkline.sim.wishes import Wishes

_SERVERS_MAX: Final = 14  # At once: some hosts get full of one kind, and runs stay short.
_PORTS_MAX: Final = 12  # Not in use.
_VNIC_TYPES: Final = (
    [VnicType.DIRECT] * 6
    + [VnicType.MACVTAP] * 3
    + [VnicType.NORMAL] * 2
    + [VnicType.DIRECT_PHYSICAL]
)


class Front(Protocol):
    """Whoever takes requests: the control plane, when it is up."""

    def call(self, use_case: Callable[[Services], Any]) -> Any:
        """Run a use case; raise `Dropped` if the control plane does not live to answer."""
        ...


class Workload:
    """Makes requests, chosen by dice."""

    def __init__(
        self,
        front: Front,
        hear: Callable[[dict[str, Any]], None],
        dice: random.Random,
        trace: Trace,
        hosts: tuple[HostName, ...],
    ) -> None:
        self.answers_lost = 0.0  # How often an answer gets lost, of 1.
        self._front = front
        self._hear = hear
        self._dice = dice
        self._trace = trace
        self._hosts = hosts
        self._policies: list[tuple[QosPolicyId, QosRuleId]] = []  # Each with its minimum.
        self._networks: list[tuple[Caller | None, NetworkId]] = []  # None: of everybody.
        self._outer: set[NetworkId] = set()  # QinQ networks, on which only VFs can be.
        self._ports: dict[str, Caller] = {}  # Not in use.
        self._servers: dict[str, tuple[Caller, list[str]]] = {}  # With the ports it was given.
        self._number = 0
        self.wishes = Wishes(self._ask, hosts)
        self.whims = Whims(self._ask, self._servers)
        self._nic_changes = NicChanges(self._ask, dice, self._servers, self._ports, self._nic)

    def begin(self) -> None:
        """Make what every run needs: flavors, and networks on both physical networks."""
        for flavor in FLAVORS:
            self._create_flavor(flavor)
        for limit in (4_000_000, 20_000_000):
            self._policies.append(self._front.call(partial(a_policy, kbps=limit)))
        vlan, flat = NetworkType.VLAN, NetworkType.FLAT
        phy1, phy2 = PhysicalNetwork("phy1"), PhysicalNetwork("phy2")
        self._create_network(
            ADMIN, SegmentRequest(vlan, phy1, 101), SegmentRequest(vlan, phy2, 201)
        )
        self._create_network(ADMIN, SegmentRequest(vlan, phy1), policy=self._policies[0][0])
        self._create_network(ADMIN, SegmentRequest(vlan, phy2), policy=self._policies[1][0])
        self._create_network(ADMIN, SegmentRequest(flat, self._dice.choice([phy1, phy2])))

    def begin_outer(self) -> None:
        """Make a QinQ network besides."""
        wanted = SegmentRequest(NetworkType.VLAN, PhysicalNetwork("phy1"), 150)
        self._create_network(ADMIN, wanted, qinq=True)

    def act(self) -> None:
        """Make one request."""
        actions: list[tuple[int, Callable[[], None]]] = [
            (30, self._server),
            (9, self._port),
            (4, self._claim),
            (12, self._delete_server),
            (6, lambda: self._power("stop", stop_server)),
            (8, lambda: self._power("start", start_server)),
            (6, lambda: self._power("reboot", reboot_server)),
            (8, self._nic_changes.attach),
            (5, self._nic_changes.detach),
            (3, self._delete_port),
            (2, lambda: self._create_network(self._dice.choice(TENANTS))),
            (4, self._enable_or_disable),
            (4, self._guarantee),
            (5, self.list_servers),
        ]
        self.wishes.act(self._server)
        self.whims.act()
        weights, choices = zip(*actions, strict=True)
        self._dice.choices(choices, weights)[0]()

    # Looking

    def list_servers(self) -> None:
        """List the servers of all projects."""
        found = self._ask(
            ADMIN,
            "server.list",
            {},
            lambda svc: [
                server_dict(view)
                for view in list_servers(svc, ADMIN, ListQuery(), all_projects=True)
            ],
            quietly=True,
        )
        for shown in found or ():
            self._nic_changes.note(shown)

    def list_ports(self) -> None:
        """List the ports of all projects."""
        self._ask(
            ADMIN,
            "port.list",
            {},
            lambda svc: [port_dict(view) for view in list_ports(svc, ADMIN, ListQuery())],
            quietly=True,
        )

    def list_devices(self, host: HostName) -> None:
        """List a host's devices."""
        query = ListQuery(equals={"host": (host,)})
        self._ask(
            ADMIN,
            "device.list",
            {"host": host},
            lambda svc: [device_dict(view) for view in list_devices(svc, ADMIN, query)],
            quietly=True,
        )

    def port_events(self, *actions: str) -> list[dict[str, Any]]:
        """Return what the audit trail has of these, newest first; one page of it."""
        query = ListQuery(equals={"action": actions})
        return list(
            self._front.call(
                lambda svc: [event_dict(event) for event in list_events(svc, ADMIN, query)]
            )
        )

    # Changing

    def _create_flavor(self, flavor: FlavorCreate) -> None:
        said = {
            "name": flavor.name,
            "vcpus": flavor.vcpus,
            "memory_mib": flavor.memory_mib,
            "extra_specs": dict(flavor.extra_specs),
        }

        def create(svc: Services) -> dict[str, Any]:
            create_flavor(svc, ADMIN, flavor)
            return said

        self._ask(ADMIN, "flavor.create", said, create, lossy=False)

    def _create_network(
        self,
        caller: Caller,
        *segments: SegmentRequest,
        policy: QosPolicyId | None = None,
        qinq: bool = False,
    ) -> None:
        request = NetworkCreate(
            name=self._name("net"), shared=bool(segments), segments=segments,
            qos_policy_id=policy, qinq=qinq,
        )  # fmt: skip
        said = {
            "qinq": qinq,
            "segments": [
                [each.network_type.value, each.physical_network, each.segmentation_id]
                for each in segments
            ],
        }

        def create(svc: Services) -> dict[str, Any]:
            network = create_network(svc, caller, request).network
            return {
                "id": network.id,
                "segments": [
                    {"physical_network": each.physical_network, "vlan": each.segmentation_id}
                    for each in network.segments
                ],
            }

        answer = self._ask(caller, "network.create", said, create, lossy=False)
        if answer is not None:
            owner = None if segments else caller
            self._networks.append((owner, NetworkId(answer["id"])))
            self._outer |= {NetworkId(answer["id"])} if qinq else set()

    def _port(self) -> None:
        caller, vnic_type = self._dice.choice(TENANTS), self._dice.choice(_VNIC_TYPES)
        policy = None
        if vnic_type in (VnicType.DIRECT, VnicType.MACVTAP) and self._dice.random() < 0.8:
            policy, _ = self._dice.choice(self._policies)
        self._create_port(caller, PortCreate(
            network_id=self._a_network(caller),
            vnic_type=vnic_type,
            numa_policy=self._a_numa_policy(),
            qos_policy_id=policy,
        ))  # fmt: skip

    def _guarantee(self) -> None:
        """Change what ports are guaranteed while servers run; some PF may not have as much."""
        policy_id, rule_id = self._dice.choice(self._policies)
        kbps = self._dice.choice([1_000_000, 2_000_000, 3_000_000, 4_000_000])
        said = {"policy": policy_id, "kbps": kbps}

        def change(svc: Services) -> dict[str, Any]:
            update_rule(svc, ADMIN, policy_id, rule_id, QosRuleUpdate(kbps=kbps))
            return said

        self._ask(ADMIN, "qos.change", said, change)

    def _claim(self) -> None:
        """The admin binds a port to a device by hand, for a project; most of these are refused."""
        bus, far = self._dice.choice([("05", 128), ("05", 16), ("05", 2), ("82", 2), ("82", 16)])
        away = far + self._dice.randrange(8) * (2 if far == 128 else 1)
        caller = self._dice.choice(TENANTS)
        self._create_port(ADMIN, PortCreate(
            network_id=self._a_network(caller),
            project_id=caller.project_id,
            vnic_type=VnicType.DIRECT,
            numa_policy=self._a_numa_policy(),
            host=self._dice.choice(self._hosts),
            profile={"pci_slot": f"0000:{bus}:{away >> 3:02x}.{away & 7}"},
        ), owner=caller)  # fmt: skip

    def _create_port(
        self, caller: Caller, request: PortCreate, *, owner: Caller | None = None
    ) -> None:
        if len(self._ports) >= _PORTS_MAX:
            return
        said = {
            "network_id": request.network_id,
            "vnic_type": request.vnic_type.value if request.vnic_type else None,
            "numa": request.numa_policy.value if request.numa_policy else None,
            "host": request.host,
            "profile": dict(request.profile),
        }
        answer = self._ask(
            caller, "port.create", said, lambda svc: port_dict(create_port(svc, caller, request))
        )
        if answer is not None:
            self._ports[answer["id"]] = owner or caller

    def _delete_port(self) -> None:
        if self._ports:
            port_id = self._dice.choice(sorted(self._ports))
            caller = self._ports.pop(port_id)
            self._ask(
                caller,
                "port.delete",
                {"id": port_id},
                lambda svc: delete_port(svc, caller, port_id),
            )

    def _server(self) -> None:
        if len(self._servers) >= _SERVERS_MAX:
            self._delete_server()
            return
        caller, dice = self._dice.choice(TENANTS), self._dice
        own = [port_id for port_id in sorted(self._ports) if self._ports[port_id] is caller]
        nics = []
        for _ in range(dice.choice([1, 1, 2, 2, 3, 4])):
            if own and dice.random() < 0.5:
                nics.append(NicRequest(port_id=PortId(own.pop(dice.randrange(len(own))))))
            else:
                nics.append(self._nic(caller))
        (flavor,) = dice.choices(FLAVORS, FLAVOR_WEIGHTS)
        assert flavor.id is not None
        wish = self.wishes.of(caller)
        request = ServerCreate(
            name=self._name("server"), flavor_id=flavor.id, image_id=None, nics=tuple(nics), **wish
        )
        said = {
            "name": request.name,
            "flavor": flavor.name,
            "nics": [nic_dict(nic) for nic in nics],
            **{name: str(value) for name, value in wish.items()},
        }
        answer = self._ask(
            caller,
            "server.create",
            said,
            lambda svc: created(svc, caller, request),
        )
        for nic in nics:
            # After a lost answer nobody knows whether they are in use: leave them.
            self._ports.pop(nic.port_id or "", None)
        if answer is not None:
            given = [] if answer["status"] == "ERROR" else [n.port_id for n in nics if n.port_id]
            self._servers[answer["id"]] = caller, list(given)
            self._nic_changes.note(answer)
            if dice.random() < 0.1:
                self._delete(answer["id"])

    def _delete_server(self) -> None:
        if self._servers:
            self._delete(self._dice.choice(sorted(self._servers)))

    def _delete(self, server_id: str) -> None:
        caller, ports = self._servers.pop(server_id)
        said = {"id": server_id}

        def delete(svc: Services) -> dict[str, Any]:
            delete_server(svc, caller, server_id)
            return said

        if self._ask(caller, "server.delete", said, delete) is not None:
            self._ports |= dict.fromkeys(ports, caller)  # Theirs to use again.

    def _power(self, verb: str, use_case: Callable[[Services, Caller, str], None]) -> None:
        if self._servers:
            server_id = self._dice.choice(sorted(self._servers))
            caller, _ = self._servers[server_id]
            said = {"id": server_id}
            self._ask(caller, f"server.{verb}", said, lambda svc: use_case(svc, caller, server_id))

    def _enable_or_disable(self) -> None:
        host, enabled = self._dice.choice(self._hosts), self._dice.random() < 0.7
        said = {"host": host, "enabled": enabled}

        def change(svc: Services) -> dict[str, Any]:
            set_host_enabled(svc, ADMIN, host, enabled=enabled, reason="simulated")
            return said

        self._ask(ADMIN, "host.enable", said, change)

    def _nic(self, caller: Caller) -> NicRequest:
        vnic_type, network_id = self._dice.choice(_VNIC_TYPES), self._a_network(caller)
        return NicRequest(
            network_id=network_id,
            vnic_type=VnicType.DIRECT if network_id in self._outer else vnic_type,
            numa_policy=self._a_numa_policy(),
        )

    def _a_network(self, caller: Caller) -> NetworkId:
        return self._dice.choice([n for owner, n in self._networks if owner in (None, caller)])

    def _a_numa_policy(self) -> NumaPolicy | None:
        return self._dice.choice(POLICIES) if self._dice.random() < POLICY_CHANCE else None

    def _name(self, what: str) -> str:
        self._number += 1
        return f"{what}-{self._number}"

    def _ask(
        self,
        caller: Caller,
        op: str,
        request: dict[str, Any],
        use_case: Callable[[Services], Any],
        *,
        lossy: bool = True,
        quietly: bool = False,
    ) -> Any:
        """Make a request and tell the auditor. None: no answer, or a refusal."""
        answer, refused = None, None
        try:
            answer = self._front.call(use_case)
        except Dropped as dropped:
            result = f"no answer: dropped {dropped.point}"
        except TrunklineError as problem:
            refused, result = problem.code, f"refused: {problem.code}"
        else:
            result = _result(answer)
            if lossy and self._dice.random() < self.answers_lost:
                answer, result = None, f"{result}; the answer is lost"
        if not quietly:
            self._trace.line(caller.user_name, f"{op} {_told(request)}", result=result)
        self._hear({"op": op, "request": request, "answer": answer, "refused": refused})
        return answer


def _told(request: dict[str, Any]) -> str:
    return " ".join(f"{key}={_short(value)}" for key, value in request.items())


def _short(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_short(each) for each in value) + "]"
    if isinstance(value, dict):
        return "{" + " ".join(_short(each) for each in value.values()) + "}"
    text = str(value)
    return text[:8] if len(text) == 36 else text


def _result(answer: object) -> str:
    if isinstance(answer, dict) and "id" in answer:
        words = [
            str(answer["id"])[:8],
            str(answer.get("status", "")),
            str(answer.get("host") or ""),
        ]
        return " ".join(filter(None, words))
    return "ok"
