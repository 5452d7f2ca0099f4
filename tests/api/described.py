"""An OpenAPI description of every route, for tools that make requests from one.

It is not served: the OpenStack APIs have none, and this one says how to ask, not what is answered.
Bodies are described by example: a field may have the example's value, or another one of its type.

IDs stand for things that a test makes: `a-network` is the ID of one, once `SomeThings` are there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from tests.support.http_app import Site
from trunkline.api.routing import Auth, Route

# By the collection in whose path an ID stands.
IDS: Mapping[str, str] = {
    "networks": "a-network", "subnets": "a-subnet", "ports": "a-port", "policies": "a-policy",
    "servers": "a-server", "flavors": "a-flavor", "images": "an-image", "projects": "a-project",
    "users": "a-user", "hosts": "h1", "os-keypairs": "a-keypair", "roles": "admin",
    "domains": "default",
}  # fmt: skip
_LOGIN = {
    "identity": {
        "methods": ["password"],
        "password": {"user": {"name": "demo", "domain": {"id": "default"}, "password": "no"}},
    },
    "scope": {"project": {"name": "demo", "domain": {"id": "default"}}},
}
_NETWORK = {
    "name": "n", "description": "d", "admin_state_up": True, "shared": False, "mtu": 1500,
    "port_security_enabled": True, "provider:network_type": "vlan",
    "provider:physical_network": "phy1", "provider:segmentation_id": 100,
}  # fmt: skip
_SUBNET = {
    "name": "s", "network_id": "a-network", "ip_version": 4, "cidr": "10.0.0.0/24",
    "gateway_ip": "10.0.0.1", "enable_dhcp": True, "dns_nameservers": ["10.0.0.2"],
    "host_routes": [{"destination": "10.9.0.0/24", "nexthop": "10.0.0.9"}],
    "allocation_pools": [{"start": "10.0.0.10", "end": "10.0.0.200"}],
}  # fmt: skip
_PORT = {
    "name": "p", "network_id": "a-network", "admin_state_up": True, "device_id": "",
    "device_owner": "", "mac_address": "02:00:00:00:00:77", "binding:vnic_type": "direct",
    "binding:profile": {"a": "b"}, "port_security_enabled": True,
    "fixed_ips": [{"subnet_id": "a-subnet", "ip_address": "10.0.0.77"}],
}  # fmt: skip
_FLAVOR = {
    "name": "f", "ram": 64, "vcpus": 1, "disk": 1, "id": "auto", "swap": 0, "rxtx_factor": 1.0,
    "os-flavor-access:is_public": True, "OS-FLV-EXT-DATA:ephemeral": 0,
}  # fmt: skip
_IMAGE = {
    "name": "i", "disk_format": "raw", "container_format": "bare", "visibility": "private",
    "min_disk": 0, "min_ram": 0, "protected": False, "tags": ["t"], "os_distro": "debian",
}  # fmt: skip
_SERVER = {
    "name": "web", "flavorRef": "a-flavor", "imageRef": "an-image", "min_count": 1, "max_count": 1,
    "metadata": {"k": "v"}, "description": "d", "config_drive": False,
    "networks": [{"uuid": "a-network", "fixed_ip": "10.0.0.88"}],
    "block_device_mapping_v2": [{
        "uuid": "an-image", "boot_index": 0, "source_type": "image",
        "destination_type": "local", "delete_on_termination": True,
    }],
}  # fmt: skip
_SHAPE = {"nics": [{"network": "a-network", "vnic_type": "direct"}], "flavor": "a-flavor"}

# What is right for a route, or was when this was written.
BODIES: Mapping[tuple[str, str], object] = {
    ("POST", "/identity/v3/auth/tokens"): {"auth": _LOGIN},
    ("POST", "/network/v2.0/networks"): {"network": _NETWORK},
    ("PUT", "/network/v2.0/networks/{id}"): {"network": _NETWORK},
    ("POST", "/network/v2.0/subnets"): {"subnet": _SUBNET},
    ("PUT", "/network/v2.0/subnets/{id}"): {"subnet": _SUBNET},
    ("POST", "/network/v2.0/ports"): {"port": _PORT},
    ("PUT", "/network/v2.0/ports/{id}"): {"port": _PORT},
    ("POST", "/network/v2.0/qos/policies"): {"policy": {"name": "q", "shared": False}},
    ("PUT", "/network/v2.0/qos/policies/{id}"): {"policy": {"name": "q", "is_default": False}},
    ("POST", "/compute/v2.1/servers"): {"server": _SERVER},
    ("PUT", "/compute/v2.1/servers/{id}"): {"server": {"name": "web", "description": "d"}},
    ("POST", "/compute/v2.1/servers/{id}/action"): {"reboot": {"type": "SOFT"}},
    ("POST", "/compute/v2.1/flavors"): {"flavor": _FLAVOR},
    ("PUT", "/compute/v2.1/flavors/{id}"): {"flavor": {"description": "d"}},
    ("POST", "/compute/v2.1/flavors/{id}/os-extra_specs"): {"extra_specs": {"hw:numa_nodes": "1"}},
    ("POST", "/compute/v2.1/os-keypairs"): {"keypair": {"name": "k", "type": "ssh"}},
    ("PUT", "/compute/v2.1/os-services/{id}"): {"status": "enabled", "forced_down": False},
    ("POST", "/image/v2/images"): _IMAGE,
    ("PATCH", "/image/v2/images/{id}"): [{"op": "replace", "path": "/name", "value": "x"}],
    ("PATCH", "/trunkline/v1/hosts/{name}"): {"enabled": False, "reason": "r"},
    ("POST", "/trunkline/v1/hosts/{name}/pfs/{address}/vfs"): {"count": 4, "apply": False},
    ("POST", "/trunkline/v1/enrolment-tokens"): {"host": "h9", "valid_seconds": 60},
    ("POST", "/trunkline/v1/explain"): _SHAPE,
    ("POST", "/trunkline/v1/capacity"): {**_SHAPE, "limit": 10, "marker": "h0"},
    ("POST", "/trunkline/v1/capacity/mix"): {"mix": [{"share": 1, **_SHAPE}]},
    ("POST", "/trunkline/v1/what-if"): {"drain": ["h1"], "add_hosts": 1, "like": "h1", **_SHAPE},
    ("POST", "/trunkline/v1/defrag"): {"pf": "h1/0000:05:00.0", "free": 1, "budget": 10},
    ("POST", "/trunkline/v1/verify"): {"limit": 1, "marker": "h0", "mend": False},
}

UNKNOWN_ID = "7ad6ad8b-5b5c-4d22-8d2c-9c8a6f3e1b11"

QUERY: Mapping[str, dict[str, Any]] = {
    "limit": {"type": "integer", "minimum": 0, "maximum": 1000},
    "marker": {"type": "string"},
    "sort_key": {"enum": ["id", "name", "created_at", "status"]},
    "sort_dir": {"enum": ["asc", "desc"]},
    "fields": {"enum": ["id", "name"]},
    "name": {"type": "string", "maxLength": 255},
    "id": {"type": "string"},
    "status": {"type": "string"},
    "all_tenants": {"type": "boolean"},
    "changes-since": {"type": "string", "format": "date-time"},
    "tags": {"type": "string"},
    "nearest": {"type": "integer"},
}
VERSIONS = {
    "X-OpenStack-Nova-API-Version": ["2.1", "2.53", "2.96", "latest"],
    "OpenStack-API-Version": ["placement 1.0", "placement 1.39", "compute latest"],
}


class SomeThings:
    """What the IDs of the description stand for, at a site."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._token = site.token("admin")
        demo = site.caller("demo")
        self.ids = {"a-project": str(demo.project_id), "a-user": str(demo.user_id)}
        self._make("a-network", "/network/v2.0/networks", network={**_NETWORK, "shared": True})
        self._make("a-subnet", "/network/v2.0/subnets", subnet=_SUBNET)
        self._make("a-port", "/network/v2.0/ports", port={"network_id": "a-network"})
        self._make("a-policy", "/network/v2.0/qos/policies", policy={"name": "q"})
        self._make("a-flavor", "/compute/v2.1/flavors", flavor=_FLAVOR)
        self._make("an-image", "/image/v2/images", **_IMAGE)
        self._upload()
        server = {
            "name": "web", "flavorRef": "a-flavor", "imageRef": "an-image",
            "networks": [{"port": "a-port"}],
        }  # fmt: skip
        self._make("a-server", "/compute/v2.1/servers", server=server)

    def _make(self, stands: str, path: str, **body: object) -> None:
        raw = self.in_place(json.dumps(body)).encode()
        reply = self._site.http.request("POST", path, token=self._token, raw=raw)
        assert reply.status in (200, 201, 202), reply
        made = reply.json()
        self.ids[stands] = (made if "id" in made else next(iter(made.values())))["id"]

    def in_place(self, text: str) -> str:
        """Put the IDs in place of what stands for them."""
        for stands, id_ in self.ids.items():
            text = text.replace(stands, id_)
        return text

    def _upload(self) -> None:
        octets = {"Content-Type": "application/octet-stream"}
        path = f"/image/v2/images/{self.ids['an-image']}/file"
        put = self._site.http.request("PUT", path, token=self._token, raw=b"disk", headers=octets)
        assert put.status == 204, put


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """Describe `routes`."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        operation: dict[str, Any] = {
            "parameters": [
                *_path_parameters(route.path),
                *([] if route.method != "GET" else _query_parameters()),
                *_headers(route),
            ],
            "responses": {"default": {"description": "an answer"}},
        }
        if route.method in ("POST", "PUT", "PATCH"):
            body = BODIES.get((route.method, route.path))
            operation["requestBody"] = {
                "required": True,
                "content": {_content_type(route): {"schema": _schema(route, body)}},
            }
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Trunkline", "version": "1"},
        "paths": paths,
    }


def _path_parameters(path: str) -> Iterable[dict[str, Any]]:
    parts = path.split("/")
    for before, part in pairwise(parts):
        if part.startswith("{"):
            known = [IDS[before], UNKNOWN_ID] if before in IDS else [UNKNOWN_ID]
            schema = {"anyOf": [{"enum": known}, {"type": "string", "minLength": 1}]}
            yield {"name": part[1:-1], "in": "path", "required": True, "schema": schema}


def _query_parameters() -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in QUERY.items()]


def _headers(route: Route) -> Iterable[dict[str, Any]]:
    if route.auth is not Auth.PUBLIC and route.path.startswith(("/compute", "/placement")):
        for name, versions in VERSIONS.items():
            yield {"name": name, "in": "header", "schema": {"enum": versions}}


def _content_type(route: Route) -> str:
    return "application/octet-stream" if route.streams else "application/json"


def _schema(route: Route, body: object) -> dict[str, Any]:
    if route.streams:
        return {"type": "string", "format": "binary"}
    return {} if body is None else by_example(body)


def by_example(value: object) -> dict[str, Any]:
    """Return a schema of what is like `value`."""
    match value:
        case dict():
            fields = {str(name): by_example(inner) for name, inner in value.items()}
            # The outermost wrapper apart, everything may be left out.
            required = list(fields) if len(fields) == 1 else []
            return {"type": "object", "properties": fields, "required": required}
        case list():
            return {"type": "array", "maxItems": 4, "items": by_example(value[0]) if value else {}}
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer", "minimum": 0, "maximum": max(value * 2, 1)}
        case float():
            return {"type": "number"}
        case str() if re.fullmatch(r"an?-[a-z]+|.*[:./].*", value):
            return {"enum": [value]}
        case str():
            return {"anyOf": [{"enum": [value]}, {"type": "string", "maxLength": 255}]}
        case _:
            return {}
