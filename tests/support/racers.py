"""Users and agents that speak to replicas over HTTP, many at once; no client program in between."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.compute_site import BLANK_DISK
from tests.support.http_app import password_login
from tests.support.world import a_card
from trunkline.client.agents import AgentApi, enrol
from trunkline.client.connection import Connection
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.host import HostResources
from trunkline.domain.ids import HostName
from trunkline.reconcile.report import DeviceCondition, DeviceFact, HostReport


class User:
    """One user of one replica, over a connection of their own."""

    def __init__(self, url: str, token: str) -> None:
        self._connection = Connection(url)
        self._headers = {"X-Auth-Token": token}

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send one request; it must be granted."""
        content = None if body is None else json.dumps(body).encode()
        reply = self._connection.request(method, path, body=content, headers=self._headers)
        assert reply.status < 300, (method, path, reply)
        return json.loads(reply.body) if reply.body else None

    def boot(self, network_id: str) -> str:
        """Ask for a server with one VF on the network; return its ID once that is acknowledged."""
        port = {"network_id": network_id, "binding:vnic_type": "direct"}
        made = self.ask("POST", "/network/v2.0/ports", {"port": port})["port"]
        server = {
            "name": "web", "flavorRef": "small", "imageRef": "",
            "networks": [{"port": made["id"]}], "block_device_mapping_v2": [BLANK_DISK],
        }  # fmt: skip
        answer = self.ask("POST", "/compute/v2.1/servers", {"server": server})
        return str(answer["server"]["id"])

    def server(self, server_id: str) -> Any:
        return self.ask("GET", f"/compute/v2.1/servers/{server_id}")["server"]


def log_in(url: str, name: str, clouds_file: Path) -> str:
    """Return a token of the user; every replica takes it."""
    clouds = json.loads(clouds_file.read_text())["clouds"].values()
    passwords = {cloud["auth"]["username"]: cloud["auth"]["password"] for cloud in clouds}
    body = json.dumps(password_login(name, passwords[name], name)).encode()
    with Connection(url) as connection:
        reply = connection.request("POST", "/identity/v3/auth/tokens", body=body)
    assert reply.status == 201, reply
    return reply.headers["x-subject-token"]


class HostByHand:
    """A host with one PF on phy1; says what its agent would, when it is told to."""

    def __init__(
        self,
        url: str,
        name: str,
        key: str,
        *,
        vfs: int,
        serial: int,
        bandwidth: Bandwidth | None = None,
    ) -> None:
        self._api = AgentApi(url, HostName(name), enrol(url, HostName(name), key))
        self._number = 0
        self._name = HostName(name)
        pf, *its_vfs = a_card(5, "phy1", vf_count=vfs, serial=serial)
        self._report(
            inventory=(replace(pf, bandwidth=bandwidth), *its_vfs),
            resources=HostResources(vcpus=64, memory_mib=262144, disk_gib=4096),
        )

    def close(self) -> None:
        self._api.close()

    def clean(self) -> None:
        """Find every device that is to be taken back clean."""
        config = self._api.fetch(after_generation=0, consoles_asked=0, wait_seconds=0)
        assert config is not None
        self._report(
            devices=tuple(
                DeviceFact(address=held.address, epoch=held.epoch, condition=DeviceCondition.CLEAN)
                for held in config.releases
            )
        )

    def _report(self, **facts: Any) -> None:
        self._number += 1
        self._api.report(
            HostReport(host=self._name, run_id="run", number=self._number, generation=0, **facts)
        )


def at_once(users: list[User], work: Callable[[User], list[str]]) -> list[str]:
    """Let every user work, all from the same moment; return what they have got together."""
    start = threading.Barrier(len(users))

    def run(user: User) -> list[str]:
        start.wait()
        return work(user)

    with ThreadPoolExecutor(len(users)) as threads:
        return [result for results in threads.map(run, users) for result in results]
