"""A cloud for tempest: `trunkline up` on simulated hosts, furnished, and the tempest.conf of it."""

from __future__ import annotations

import configparser
import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.processes import trunkline

FLEET = Path(__file__).with_name("fleet.toml")
HOST_COUNT = 4
IMAGE_BYTES = bytes(1024 * 1024)  # Nothing boots from it.
SHARED_NETWORK = "shared"


@dataclass(frozen=True, slots=True)
class Admin:
    """Asks the cloud as its admin."""

    url: str
    token: str

    @classmethod
    def log_in(cls, url: str, auth: Mapping[str, str]) -> Admin:
        user = {"name": auth["username"], "password": auth["password"], "domain": {"id": "default"}}
        project = {"name": auth["project_name"], "domain": {"id": "default"}}
        asked = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": project},
        }
        request = _request("POST", f"{url}/identity/v3/auth/tokens", {"auth": asked}, {})
        with urllib.request.urlopen(request) as reply:
            return cls(url, reply.headers["X-Subject-Token"])

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        sent = {"X-Auth-Token": self.token} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        with urllib.request.urlopen(_request(method, self.url + path, body, sent)) as reply:
            content = reply.read()
            return json.loads(content) if content else None

    def new_image(self, name: str) -> str:
        body = {
            "name": name, "disk_format": "raw", "container_format": "bare", "visibility": "public",
        }  # fmt: skip
        image = str(self.ask("POST", "/image/v2/images", body)["id"])
        octets = "application/octet-stream"
        self.ask("PUT", f"/image/v2/images/{image}/file", IMAGE_BYTES, Content_Type=octets)
        return image

    def new_flavor(self, name: str, *, vcpus: int, memory_mib: int) -> str:
        flavor = {"name": name, "vcpus": vcpus, "ram": memory_mib, "disk": 1}
        return str(self.ask("POST", "/compute/v2.1/flavors", {"flavor": flavor})["flavor"]["id"])

    def new_shared_network(self) -> str:
        """Make what servers of every project join, where a test names no network."""
        asked = {"name": SHARED_NETWORK, "shared": True}
        network = self.ask("POST", "/network/v2.0/networks", {"network": asked})["network"]["id"]
        subnet = {"network_id": network, "ip_version": 4, "cidr": "10.90.0.0/16"}
        self.ask("POST", "/network/v2.0/subnets", {"subnet": subnet})
        return str(network)

    def new_role(self, name: str) -> None:
        self.ask("POST", "/identity/v3/roles", {"role": {"name": name}})

    def limit_security_groups(self) -> None:
        """Have projects limited as Neutron does by default: by the quota that it is tried on."""
        self.ask("PUT", "/trunkline/v1/default-quotas/security_groups", {"limit": 10})


def _request(
    method: str, url: str, body: object, headers: Mapping[str, str]
) -> urllib.request.Request:
    content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    named = {"Content-Type": "application/json", **headers}
    return urllib.request.Request(url, content, named, method=method)


@contextmanager
def a_cloud(directory: Path) -> Iterator[Path]:
    """Run a cloud below `directory`; yield the folder of its tempest.conf."""
    config = directory / "etc"
    config.mkdir()
    data = directory / "data"
    with trunkline(
        directory, "up", "--data", str(data), "--fleet", str(FLEET), "--port", "0"
    ) as up:
        clouds = json.loads((data / "clouds.yaml").read_text())["clouds"]
        auth = clouds["trunkline"]["auth"]
        admin = Admin.log_in(up.url, auth)
        settings = _settings(admin, auth, directory)
        written = configparser.RawConfigParser()
        written.read_dict(settings)
        with (config / "tempest.conf").open("w") as file:
            written.write(file)
        yield config


def _settings(admin: Admin, auth: Mapping[str, str], directory: Path) -> dict[str, dict[str, str]]:
    """Return what tempest must know.

    What is switched off stands for a reason of exclusions.toml. Network extensions are those that
    the service lists.
    """
    compute = admin.ask("GET", "/compute/v2.1")["version"]
    listed = admin.ask("GET", "/network/v2.0/extensions")["extensions"]
    admin.new_shared_network()
    admin.limit_security_groups()
    admin.new_role("service")  # Tempest gives it to those who speak for other services.
    return {
        "auth": {
            "use_dynamic_credentials": "True",
            "create_isolated_networks": "False",
            "admin_username": auth["username"],
            "admin_password": auth["password"],
            "admin_project_name": auth["project_name"],
            "admin_domain_name": "Default",
        },
        "identity": {
            "uri_v3": f"{admin.url}/identity/v3",
            "auth_version": "v3",
            "region": "RegionOne",
        },
        "service_available": {
            "neutron": "True", "nova": "True", "glance": "True",
            "cinder": "False", "swift": "False", "horizon": "False",
        },
        "compute": {
            "image_ref": admin.new_image("tempest"),
            "image_ref_alt": admin.new_image("tempest-alt"),
            "flavor_ref": admin.new_flavor("tempest", vcpus=1, memory_mib=64),
            "flavor_ref_alt": admin.new_flavor("tempest-alt", vcpus=2, memory_mib=128),
            "fixed_network_name": SHARED_NETWORK,
            "min_compute_nodes": str(HOST_COUNT),
            "min_microversion": compute["min_version"],
            "max_microversion": compute["version"],
            "build_timeout": "60",
        },
        "compute-feature-enabled": {
            "resize": "False",
            "cold_migration": "False",
            "live_migration": "False",
            "shelve": "False",
            "rescue": "False",
            "snapshot": "False",
            "hostname_fqdn_sanitization": "True",
            "scheduler_enabled_filters": "all",
        },
        "image-feature-enabled": {"import_image": "False", "image_format_enforcement": "False"},
        "network": {"project_network_cidr": "10.100.0.0/16"},
        "network-feature-enabled": {
            "api_extensions": ",".join(extension["alias"] for extension in listed),
            "ipv6_subnet_attributes": "True",
            "port_security": "True",
            "floating_ips": "False",
            "qos_placement_physnet": "phy1",
        },
        "neutron_plugin_options": {
            "available_type_drivers": "flat,vlan,vxlan",
            "provider_vlans": "phy1",
            "create_shared_resources": "True",
        },
        "validation": {"run_validation": "False"},
        "oslo_concurrency": {"lock_path": str(directory / "locks")},
        "DEFAULT": {"log_file": str(directory / "tempest.log"), "debug": "True"},
    }  # fmt: skip
