"""The OpenStack APIs, as far as the demonstration needs them; each call shows its command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from trunkline.client.api import TrunklineApi
from trunkline.client.clouds import find_cloud
from trunkline.client.connection import Connection
from trunkline.client.session import Session, password_login, split_auth_url
from trunkline.demo.story import Story

CLOUD: Final = "trunkline"
_IMAGE: Final = b"QFI\xfb" + b"demo" * 1024  # Stands for a disk image: nothing ever boots it.
_COMPUTE_VERSION: Final = {"OpenStack-API-Version": "compute 2.90"}


class Refused(Exception):
    """A call was answered with an error."""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path}: {status}: {body}")
        self.status = status


class Cloud:
    """One admin's view of the service."""

    def __init__(self, clouds_file: Path, story: Story) -> None:
        self._story = story
        found = find_cloud(
            {"OS_CLIENT_CONFIG_FILE": str(clouds_file)}, name=CLOUD, cwd=clouds_file.parent
        )
        self.v1 = TrunklineApi(Session(found))
        base, self._identity = split_auth_url(found.auth_url)
        self._connection = Connection(base)
        reply = self._connection.request(
            "POST", f"{self._identity}/auth/tokens", body=json.dumps(password_login(found)).encode()
        )
        if reply.status != 201:
            raise Refused("POST", "/auth/tokens", reply.status, reply.body.decode())
        self._token = reply.headers["x-subject-token"]

    # Networks and ports

    def create_network(self, name: str, physical_network: str, vlan: int | None) -> Any:
        """Make a VLAN network; without `vlan` it gets a free one of the range."""
        segment = "" if vlan is None else f" --provider-segment {vlan}"
        self._story.command(
            f"openstack network create {name} --provider-network-type vlan"
            f" --provider-physical-network {physical_network}{segment}"
        )
        body = {
            "name": name,
            "provider:network_type": "vlan",
            "provider:physical_network": physical_network,
        }
        if vlan is not None:
            body["provider:segmentation_id"] = vlan  # type: ignore[assignment]  # JSON, not text
        return self._ask("POST", "/network/v2.0/networks", {"network": body})["network"]

    def show_network(self, name: str) -> Any:
        """Show a network, as an admin sees it."""
        self._story.command(f"openstack network show {name}")
        return self._ask("GET", f"/network/v2.0/networks?name={name}")["networks"][0]

    def create_subnet(self, name: str, network: Any, cidr: str) -> None:
        """Give a network addresses."""
        self._story.command(
            f"openstack subnet create {name} --network {network['name']} --subnet-range {cidr}"
        )
        body = {"name": name, "network_id": network["id"], "ip_version": 4, "cidr": cidr}
        self._ask("POST", "/network/v2.0/subnets", {"subnet": body})

    def create_port(self, name: str, network: Any, vnic_type: str, *, shown: bool = True) -> str:
        """Make a port; return its ID."""
        if shown:
            self._story.command(
                f"openstack port create {name} --network {network['name']} --vnic-type {vnic_type}"
            )
        body = {"name": name, "network_id": network["id"], "binding:vnic_type": vnic_type}
        return str(self._ask("POST", "/network/v2.0/ports", {"port": body})["port"]["id"])

    def delete_port(self, port_id: str) -> None:
        """Delete a port."""
        self._ask("DELETE", f"/network/v2.0/ports/{port_id}")

    # Servers

    def create_flavor(self, name: str) -> str:
        """Make a flavor; return its ID."""
        self._story.command(f"openstack flavor create {name} --vcpus 1 --ram 512 --disk 1")
        body = {"flavor": {"name": name, "vcpus": 1, "ram": 512, "disk": 1}}
        return str(self._ask("POST", "/compute/v2.1/flavors", body)["flavor"]["id"])

    def create_image(self, name: str) -> str:
        """Make an image; return its ID."""
        self._story.command(f"openstack image create {name} --file demo.qcow2 --disk-format qcow2")
        body = {"name": name, "disk_format": "qcow2", "container_format": "bare"}
        image_id = str(self._ask("POST", "/image/v2/images", body)["id"])
        reply = self._connection.request(
            "PUT",
            f"/image/v2/images/{image_id}/file",
            body=_IMAGE,
            headers={"X-Auth-Token": self._token, "Content-Type": "application/octet-stream"},
        )
        if reply.status != 204:
            raise Refused("PUT", "image", reply.status, reply.body.decode())
        return image_id

    def create_server(
        self, name: str, flavor_id: str, image_id: str, port_ids: list[str], host: str | None
    ) -> str:
        """Ask for a server; return its ID, which is durable now. Shows nothing."""
        server: dict[str, Any] = {
            "name": name,
            "flavorRef": flavor_id,
            "imageRef": image_id,
            "networks": [{"port": port_id} for port_id in port_ids],
        }
        if host is not None:
            server["host"] = host
        answer = self._ask("POST", "/compute/v2.1/servers", {"server": server})
        return str(answer["server"]["id"])

    def server(self, server_id: str) -> Any:
        """Show a server."""
        return self._ask("GET", f"/compute/v2.1/servers/{server_id}")["server"]

    def servers(self) -> list[Any]:
        """List servers."""
        found: list[Any] = self._ask("GET", "/compute/v2.1/servers/detail")["servers"]
        return found

    def delete_server(self, name: str, server_id: str) -> None:
        """Delete a server."""
        self._story.command(f"openstack server delete {name} --wait")
        self._ask("DELETE", f"/compute/v2.1/servers/{server_id}")

    def is_gone(self, server_id: str) -> bool:
        """Whether a server answers 404."""
        try:
            self.server(server_id)
        except Refused as refusal:
            if refusal.status == 404:
                return True
            raise
        return False

    # Hosts

    def set_host_enabled(self, host: str, *, enabled: bool) -> None:
        """Let a host take new servers, or no more."""
        self._story.command(
            f"openstack compute service set {host} nova-compute"
            + (" --enable" if enabled else " --disable --disable-reason maintenance")
        )
        services = self._ask("GET", f"/compute/v2.1/os-services?host={host}")["services"]
        change: dict[str, str] = {"status": "enabled" if enabled else "disabled"}
        if not enabled:
            change["disabled_reason"] = "maintenance"
        self._ask("PUT", f"/compute/v2.1/os-services/{services[0]['id']}", change)

    def _ask(self, method: str, path: str, body: object | None = None) -> Any:
        reply = self._connection.request(
            method,
            path,
            body=None if body is None else json.dumps(body).encode(),
            headers={"X-Auth-Token": self._token, **_COMPUTE_VERSION},
        )
        if reply.status >= 300:
            raise Refused(method, path, reply.status, reply.body.decode())
        return json.loads(reply.body) if reply.body else None
