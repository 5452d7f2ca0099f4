"""Terraform's openstack provider, as far as a service sees it: what it sends, and how it reads.

Neither Terraform nor the provider is to be had as a package, so their calls are played: with the
headers of gophercloud 2, the statuses that it takes for success, and the types into which it reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from tests.support.compute_site import ComputeSite
from tests.support.http_app import password_login

# What gophercloud takes for success where a call names nothing else.
OK: Final = {
    "GET": (200,), "POST": (201, 202), "PUT": (201, 202), "PATCH": (200, 204), "DELETE": (202, 204),
}  # fmt: skip
RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
NO_ZONE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?")

# The fields that the provider reads, as gophercloud types them. A field that may be null says so by
# its place in no list: null reads as nothing, of whatever type.
READ: Final[Mapping[str, Mapping[str, object]]] = {
    "network": {
        "id": str, "name": str, "description": str, "admin_state_up": bool, "shared": bool,
        "status": str, "subnets": list, "tenant_id": str, "router:external": bool,
        "project_id": str, "port_security_enabled": bool, "mtu": int, "tags": list,
        "availability_zone_hints": list,
        "created_at": RFC3339, "updated_at": RFC3339, "revision_number": int,
    },
    "subnet": {
        "id": str, "network_id": str, "name": str, "ip_version": int, "cidr": str,
        "gateway_ip": str, "dns_nameservers": list, "allocation_pools": list,
        "host_routes": list, "enable_dhcp": bool,
        "tenant_id": str, "tags": list, "subnetpool_id": str, "ipv6_address_mode": str,
        "ipv6_ra_mode": str, "service_types": list,
    },
    "port": {
        "id": str, "network_id": str, "name": str, "description": str, "admin_state_up": bool,
        "status": str, "mac_address": str, "fixed_ips": list, "tenant_id": str, "device_owner": str,
        "security_groups": list, "device_id": str, "allowed_address_pairs": list, "tags": list,
        "extra_dhcp_opts": list, "port_security_enabled": bool, "binding:vnic_type": str,
        "qos_policy_id": str, "created_at": RFC3339, "updated_at": RFC3339,
    },
    "binding": {
        "binding:vif_type": str, "binding:vif_details": dict, "binding:profile": dict,
        "binding:host_id": str,
    },
    "security_group": {
        "id": str, "name": str, "description": str, "stateful": bool, "security_group_rules": list,
        "tenant_id": str, "tags": list, "created_at": RFC3339, "updated_at": RFC3339,
    },
    "security_group_rule": {
        "id": str, "direction": str, "description": str, "ethertype": str, "security_group_id": str,
        "port_range_min": int, "port_range_max": int, "protocol": str, "remote_group_id": str,
        "remote_ip_prefix": str, "tenant_id": str,
    },
    "server": {
        "id": str, "name": str, "status": str, "tenant_id": str, "user_id": str, "flavor": dict,
        "addresses": dict, "metadata": dict, "links": list, "key_name": str, "accessIPv4": str,
        "accessIPv6": str, "os-extended-volumes:volumes_attached": list, "created": RFC3339,
        "updated": RFC3339, "OS-EXT-STS:power_state": int, "OS-EXT-STS:task_state": str,
        "OS-EXT-STS:vm_state": str, "OS-EXT-AZ:availability_zone": str, "OS-DCF:diskConfig": str,
        "OS-SRV-USG:launched_at": NO_ZONE, "OS-SRV-USG:terminated_at": NO_ZONE,
        "security_groups": list,
    },
    "interfaceAttachment": {
        "port_state": str, "fixed_ips": list, "port_id": str, "net_id": str, "mac_addr": str,
    },
    "flavor": {
        "id": str, "name": str, "ram": int, "vcpus": int, "disk": int, "rxtx_factor": float,
        "os-flavor-access:is_public": bool, "OS-FLV-EXT-DATA:ephemeral": int,
    },
    "keypair": {"name": str, "fingerprint": str, "public_key": str, "user_id": str},
    "server_group": {"id": str, "name": str, "policies": list, "members": list, "metadata": dict},
    "aggregate": {
        "id": int, "name": str, "hosts": list, "metadata": dict, "availability_zone": str,
        "created_at": NO_ZONE, "updated_at": NO_ZONE, "deleted": bool,
    },
    "quota_set": dict.fromkeys(
        ("cores", "instances", "ram", "key_pairs", "metadata_items", "server_groups",
         "server_group_members", "floating_ips", "fixed_ips", "security_groups",
         "security_group_rules", "injected_files", "injected_file_content_bytes",
         "injected_file_path_bytes"), int,
    ),
    "quota": dict.fromkeys(
        ("network", "subnet", "port", "security_group", "security_group_rule"), int
    ),
    "image": {
        "id": str, "name": str, "status": str, "tags": list, "container_format": str, "size": int,
        "disk_format": str, "min_disk": int, "min_ram": int, "owner": str, "protected": bool,
        "os_hidden": bool, "visibility": str, "checksum": str, "created_at": RFC3339,
        "updated_at": RFC3339, "file": str, "schema": str,
    },
    "project": {
        "id": str, "name": str, "description": str, "domain_id": str, "enabled": bool,
        "is_domain": bool, "parent_id": str, "tags": list,
    },
    "user": {"id": str, "name": str, "domain_id": str, "enabled": bool, "options": dict},
    "role": {"id": str, "name": str, "links": dict},
    "application_credential": {
        "id": str, "name": str, "description": str, "unrestricted": bool, "project_id": str,
        "roles": list,
    },
}  # fmt: skip


class Provider:
    """The provider, as one user has it: finds services in the catalog, and reads strictly."""

    def __init__(self, scene: ComputeSite, user: str) -> None:
        self._http = scene.site.http
        body = password_login(user, getattr(scene.site.passwords, user), user)
        reply = self._http.request("POST", "/identity/v3/auth/tokens", body=body)
        assert reply.status == 201, reply
        self._token = reply.headers["x-subject-token"]
        self.me = reply.json()["token"]
        assert RFC3339.fullmatch(self.me["expires_at"])
        self._bases: dict[str, str] = {
            entry["type"]: endpoint["url"].rstrip("/")
            for entry in self.me["catalog"]
            for endpoint in entry["endpoints"]
            if endpoint["interface"] == "public" and endpoint["region"] == "RegionOne"
        }

    def url(self, service: str, path: str) -> str:
        """Return where a call goes: gophercloud adds the versions of all services but compute."""
        base: str = self._bases[service].removesuffix("/v3")
        version = {"network": "/v2.0", "image": "/v2", "identity": "/v3", "compute": ""}[service]
        return "/" + (base + version + path).split("/", 3)[3]

    def call(
        self,
        method: str,
        service: str,
        path: str,
        body: object = None,
        *,
        ok: tuple[int, ...] | None = None,
        version: str | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Any:
        """Make one call, which must succeed as gophercloud has it; return the answer's body."""
        sent = dict(headers or {})
        if version is not None:
            sent |= {
                "X-OpenStack-Nova-API-Version": version,
                "OpenStack-API-Version": f"compute {version}",
            }
        reply = self._http.request(
            method, self.url(service, path), token=self._token, body=body, raw=raw, headers=sent
        )
        assert reply.status in (ok or OK[method]), (method, path, body, reply)
        return json.loads(reply.body) if reply.body else None

    def make(
        self,
        service: str,
        path: str,
        kind: str,
        fields: Mapping[str, object],
        *,
        ok: tuple[int, ...] | None = None,
        version: str | None = None,
        secret: tuple[str, ...] = (),
    ) -> str:
        """Create a thing and read it; all that was sent must be there. Return its ID."""
        answer = self.call("POST", service, path, {kind: fields}, ok=ok, version=version)[kind]
        name = str(answer["name"] if kind == "keypair" else answer["id"])
        shown = self.read(service, f"{path}/{name}", kind, version=version)
        for field, value in fields.items():
            if field not in secret:
                assert shown[field] == value, (kind, field, value, shown[field])
        return name

    def read(self, service: str, path: str, kind: str, *, version: str | None = None) -> Any:
        """Read a thing into what gophercloud has for it."""
        answer = self.call("GET", service, path, version=version)
        thing = answer if service == "image" else answer[kind]
        fits(kind, thing)
        return thing

    def only(self, service: str, path: str, kind: str, many: str) -> Any:
        """Read a list that must have one thing, as data sources do."""
        (thing,) = self.call("GET", service, path)[many]
        fits(kind, thing)
        return thing

    def destroy(
        self, service: str, path: str, *, ok: tuple[int, ...] | None = None, gone: bool = True
    ) -> None:
        """Delete a thing, and look until it is not there."""
        self.call("DELETE", service, path, ok=ok)
        if gone:
            self.call("GET", service, path, ok=(404,))


def fits(kind: str, thing: Mapping[str, Any]) -> None:
    """Fail where Go would: on a value of another type than the field's. Null is nothing."""
    for field, wanted in READ[kind].items():
        assert field in thing, (kind, field, thing)
        value = thing[field]
        if value is None:
            continue
        if isinstance(wanted, re.Pattern):
            assert wanted.fullmatch(value), (kind, field, value)
        else:
            types = (int, float) if wanted is float else (wanted,)
            assert type(value) in types, (kind, field, value)
