"""Servers beside Nova's: from the request to ACTIVE, with one NIC that is a VF."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.peers.pairs import Work, compare
from benchmarks.peers.services import HERE, Service, a_peer, a_trunkline

WAIT_SECONDS_MAX = 60
POLL_SECONDS_MIN = 0.001
SHARE_OF_POLLING = 20  # Each wait is a twentieth of the time that has passed, on both sides.
# Whom Nova's functional stack takes a request to be from, and the port that its Neutron has.
HEADERS = {
    "X-Auth-User": "admin",
    "X-Auth-Project-Id": "6f70656e737461636b20342065766572",
    "X-Roles": "reader,member,admin",
    "OpenStack-API-Version": "compute 2.96",
}
NOVA_PORT = "5460ee0c-ffbb-4e45-8d58-37bfceabd084"
NOVA_IMAGE = "76fa36fc-c930-4bf3-8c8a-ea2a2420deb6"
BLANK = {"source_type": "blank", "destination_type": "local", "boot_index": 0, "volume_size": 1}


def measure(home: Path, *, pairs: int) -> list[dict[str, Any]]:
    """Start so many servers, one after the other; each is deleted before the next."""
    with (
        a_peer("nova", home / "nova", HEADERS) as nova,
        a_trunkline(home, HERE / "fleet.toml", HEADERS) as trunkline,
    ):
        flavor = nova.session.must("GET", "/v2.1/flavors/1")["flavor"]
        theirs = _work(nova, "/v2.1", {
            "name": "web", "flavorRef": "1", "imageRef": NOVA_IMAGE,
            "networks": [{"port": NOVA_PORT}],
        })  # fmt: skip
        ours = our_work(trunkline, flavor)
        figures = compare(nova, trunkline, (theirs, ours), pairs=pairs, target=20)
    return [{"figure": "server create to ACTIVE", "peer": "nova", **figures}]


def our_work(trunkline: Service, flavor: dict[str, Any]) -> Work:
    """Return the work of starting one server on Trunkline, of a flavor like this one."""
    like = {name: flavor[name] for name in ("ram", "vcpus", "disk")}
    trunkline.session.must(
        "POST", "/compute/v2.1/flavors", {"flavor": {"name": "s", "id": "s", **like}}
    )
    return _work(trunkline, "/compute/v2.1", {
        "name": "web", "flavorRef": "s", "imageRef": "", "block_device_mapping_v2": [BLANK],
        "networks": [{"port": _port(trunkline)}],
    })  # fmt: skip


def _port(trunkline: Service) -> str:
    session = trunkline.session
    network = session.must("POST", "/network/v2.0/networks", {"network": {
        "name": "blue",
        "provider:network_type": "vlan",
        "provider:physical_network": "phy1",
        "provider:segmentation_id": 150,
    }})["network"]  # fmt: skip
    session.must("POST", "/network/v2.0/subnets", {"subnet": {
        "network_id": network["id"], "cidr": "10.0.0.0/16", "ip_version": 4,
    }})  # fmt: skip
    wanted = {"network_id": network["id"], "binding:vnic_type": "direct"}
    return str(session.must("POST", "/network/v2.0/ports", {"port": wanted})["port"]["id"])


def _work(service: Service, base: str, wanted: dict[str, Any]) -> Work:
    session = service.session

    def work(_: int) -> float:
        begun = perf_counter()
        made = session.must("POST", f"{base}/servers", {"server": wanted})["server"]
        path = f"{base}/servers/{made['id']}"
        server = _wait(begun, lambda: session.must("GET", path)["server"], _is_settled)
        seconds = perf_counter() - begun
        assert server["status"] == "ACTIVE", server
        (nic,) = session.must("GET", f"{path}/os-interface")["interfaceAttachments"]
        assert nic["port_id"] == wanted["networks"][0]["port"], nic
        session.must("DELETE", path)
        _wait(perf_counter(), lambda: session.call("GET", path)[0], lambda status: status == 404)
        return seconds

    return work


def _is_settled(server: dict[str, Any]) -> bool:
    return bool(server["status"] != "BUILD")


def _wait(begun: float, ask: Callable[[], Any], is_done: Callable[[Any], bool]) -> Any:
    """Ask until what is answered will do."""
    while True:
        found = ask()
        passed = perf_counter() - begun
        if is_done(found):
            return found
        assert passed < WAIT_SECONDS_MAX, found
        time.sleep(max(POLL_SECONDS_MIN, passed / SHARE_OF_POLLING))
