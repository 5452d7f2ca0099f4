"""Every answer, at every microversion where it changes, is what tempest's schemas accept.

The schemas forbid fields they don't know, so a body with a later version's field fails here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site, server_request
from tests.support.image_user import ImageUser
from tests.support.response_schemas import ResponseSchemas
from tests.support.ssh_keys import an_ssh_key
from trunkline.api.compute.versions import HIGHEST

# Where a body or a rule changes, and the version before it.
VERSIONS: Final = (
    "2.1", "2.2", "2.3", "2.8", "2.9", "2.10", "2.11", "2.12", "2.13", "2.14", "2.15", "2.16",
    "2.18", "2.19", "2.23", "2.25", "2.26", "2.27", "2.28", "2.32", "2.33", "2.36", "2.37", "2.40",
    "2.41", "2.46", "2.47", "2.48", "2.52", "2.53", "2.54", "2.55", "2.56", "2.57", "2.60", "2.61",
    "2.62", "2.63", "2.64", "2.69", "2.70", "2.71", "2.72", "2.73", "2.74", "2.75", "2.79", "2.80",
    "2.84", "2.87", "2.88", "2.89", "2.90", "2.95", "2.96", "2.97", "2.98", "2.99", "2.100",
)  # fmt: skip
USERS: Final = ("admin", "demo")


class Contract:
    """One site for all tests of this module; nothing in it depends on another test."""

    def __init__(self, scene: ComputeSite, schemas: ResponseSchemas) -> None:
        self.scene = scene
        self._schemas = schemas
        scene.call(
            "POST", "/flavors", user="admin", version="2.96",
            body={"flavor": {"name": "big", "ram": 4096, "vcpus": 4, "disk": 40, "swap": 512,
                             "id": "big", "description": "roomy"}},
        )  # fmt: skip
        scene.call(
            "POST", "/flavors/big/os-extra_specs", user="admin",
            body={"extra_specs": {"hw:numa_nodes": "1"}},
        )  # fmt: skip
        owner = ImageUser(scene.site, "demo")
        self.image = owner.create()
        owner.upload(self.image, b"bytes")
        self.active = scene.a_server("active", tags=["a"], metadata={"k": "v"})["id"]
        scene.settle()
        self.building = scene.a_server("building")["id"]
        full = [scene.a_port(scene.blue) for _ in range(5)]
        self.failed = scene.a_server("failed", *full)["id"]
        assert scene.status_of(self.active) == "ACTIVE"
        assert scene.status_of(self.failed) == "ERROR"

    def check(
        self,
        client: str,
        schema: str,
        method: str,
        path: str,
        *,
        version: str,
        user: str = "admin",
        body: object = None,
    ) -> Any:
        """Send a request, and hold its answer against tempest's schema; return the body."""
        reply = self.scene.call(method, path, version=version, user=user, body=body)
        answer = reply.json() if reply.body else None
        self._schemas.check(client, schema, microversion=version, status=reply.status, body=answer)
        assert reply.headers["x-openstack-nova-api-version"] == version
        assert reply.headers["openstack-api-version"] == f"compute {version}"
        assert reply.headers["x-openstack-request-id"].startswith("req-")
        return answer


@pytest.fixture(scope="module")
def contract(
    tmp_path_factory: pytest.TempPathFactory, response_schemas: ResponseSchemas
) -> Iterator[Contract]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        yield Contract(scene, response_schemas)


def test_the_versions_tried_reach_the_highest_served() -> None:
    assert VERSIONS[-1] == str(HIGHEST)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_servers_show_what_their_version_has(contract: Contract, version: str, user: str) -> None:
    for server_id in (contract.active, contract.building, contract.failed):
        contract.check(
            "servers", "get_server", "GET", f"/servers/{server_id}", version=version, user=user
        )
    query = "?all_tenants=1" if user == "admin" else ""
    for path, schema in (("", "list_servers"), ("/detail", "list_servers_detail")):
        answer = contract.check(
            "servers", schema, "GET", f"/servers{path}{query}", version=version, user=user
        )
        assert {contract.active, contract.failed} <= {s["id"] for s in answer["servers"]}
        contract.check(
            "servers", schema, "GET", f"/servers{path}?limit=1", version=version, user="demo"
        )


@pytest.mark.parametrize("version", VERSIONS)
def test_servers_are_made_changed_and_deleted(contract: Contract, version: str) -> None:
    body = server_request(contract.scene.flavor, f"made at {version}")
    body["networks"] = [{"uuid": contract.scene.red.id}]
    made = contract.check(
        "servers", "create_server_with_admin_pass", "POST", "/servers",
        version=version, user="demo", body={"server": body},
    )  # fmt: skip
    path = f"/servers/{made['server']['id']}"
    renamed = {"server": {"name": "renamed"}}
    shown = contract.check(
        "servers", "update_server", "PUT", path, version=version, user="demo", body=renamed
    )
    assert shown["server"]["name"] == "renamed"
    contract.check("servers", "delete_server", "DELETE", path, version=version, user="demo")


@pytest.mark.parametrize("version", VERSIONS)
def test_addresses_and_interfaces(contract: Contract, version: str) -> None:
    server = f"/servers/{contract.active}"
    addresses = contract.check(
        "servers", "list_addresses", "GET", f"{server}/ips", version=version, user="demo"
    )
    assert [a["version"] for a in addresses["addresses"]["blue"]] == [4, 6]
    contract.check(
        "servers", "list_addresses_by_network", "GET", f"{server}/ips/blue",
        version=version, user="demo",
    )  # fmt: skip
    interfaces = contract.check(
        "interfaces", "list_interfaces", "GET", f"{server}/os-interface",
        version=version, user="demo",
    )  # fmt: skip
    (interface,) = interfaces["interfaceAttachments"]
    assert interface["port_state"] == "ACTIVE"
    contract.check(
        "interfaces", "get_create_interfaces", "GET",
        f"{server}/os-interface/{interface['port_id']}", version=version, user="demo",
    )  # fmt: skip


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_rebuild(contract: Contract, version: str, user: str) -> None:
    contract.check(
        "servers", "rebuild_server_with_admin_pass", "POST", f"/servers/{contract.active}/action",
        version=version, user=user, body={"rebuild": {"imageRef": contract.image}},
    )  # fmt: skip
    contract.scene.settle()


@pytest.mark.parametrize("version", VERSIONS)
def test_actions(contract: Contract, version: str) -> None:
    path = f"/servers/{contract.active}/action"
    for body in (
        {"reboot": {"type": "SOFT"}},
        {"os-stop": None},
        {"os-start": None},
        {"reboot": {"type": "HARD"}},
        {"lock": None},
        {"unlock": None},
    ):
        contract.check(
            "servers", "server_actions_common_schema", "POST", path,
            version=version, user="demo", body=body,
        )  # fmt: skip
        contract.scene.settle()


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("version", VERSIONS)
def test_instance_actions(contract: Contract, version: str, user: str) -> None:
    check, path = contract.check, f"/servers/{contract.active}/os-instance-actions"
    found = check("servers", "list_instance_actions", "GET", path, version=version, user=user)
    shown = f"{path}/{found['instanceActions'][-1]['request_id']}"
    check("servers", "show_instance_action", "GET", shown, version=version, user=user)


@pytest.mark.parametrize("version", VERSIONS)
def test_metadata(contract: Contract, version: str) -> None:
    check, path = contract.check, f"/servers/{contract.active}/metadata"
    body, item = {"metadata": {"k": "v"}}, {"meta": {"one": "1"}}
    check(
        "servers", "update_server_metadata", "POST", path, version=version, user="demo", body=body
    )
    check("servers", "set_server_metadata", "PUT", path, version=version, user="demo", body=body)
    check("servers", "list_server_metadata", "GET", path, version=version, user="demo")
    one, shown = "set_show_server_metadata_item", f"{path}/one"
    check("servers", one, "PUT", shown, version=version, user="demo", body=item)
    check("servers", one, "GET", shown, version=version, user="demo")
    gone = "delete_server_metadata_item"
    check("servers", gone, "DELETE", shown, version=version, user="demo")


# Tempest forgot tags from 2.99 on.
@pytest.mark.parametrize("version", [v for v in VERSIONS if 26 <= int(v[2:]) < 99])
def test_tags(contract: Contract, version: str) -> None:
    check, path = contract.check, f"/servers/{contract.active}/tags"
    body = {"tags": ["a", "b"]}
    check("servers", "update_all_tags", "PUT", path, version=version, user="demo", body=body)
    check("servers", "list_tags", "GET", path, version=version, user="demo")
    for schema, method in (
        ("update_tag", "PUT"), ("update_tag", "PUT"), ("check_tag_existence", "GET"),
        ("delete_tag", "DELETE"),
    ):  # fmt: skip
        check("servers", schema, method, f"{path}/c", version=version, user="demo")
    check("servers", "delete_all_tags", "DELETE", path, version=version, user="demo")


@pytest.mark.parametrize("version", VERSIONS)
def test_flavors(contract: Contract, version: str) -> None:
    details = "create_update_get_flavor_details"
    contract.check("flavors", "list_flavors", "GET", "/flavors", version=version, user="demo")
    contract.check(
        "flavors", "list_flavors_details", "GET", "/flavors/detail", version=version, user="demo"
    )
    contract.check("flavors", details, "GET", "/flavors/big", version=version, user="demo")
    name = f"flavor of {version}"
    body = {"flavor": {"name": name, "ram": 1, "vcpus": 1, "disk": 0, "id": version}}
    contract.check("flavors", details, "POST", "/flavors", version=version, body=body)
    path = f"/flavors/{version}"
    if tuple(map(int, version.split("."))) >= (2, 55):
        contract.check(
            "flavors", details, "PUT", path, version=version, body={"flavor": {"description": "d"}}
        )
    specs = f"{path}/os-extra_specs"
    many, one = "set_get_flavor_extra_specs", "set_get_flavor_extra_specs_key"
    spec = {"hw:a": "1"}
    many_specs = {"extra_specs": spec}
    contract.check("flavors", many, "POST", specs, version=version, body=many_specs)
    contract.check("flavors", one, "PUT", f"{specs}/hw:a", version=version, body=spec)
    contract.check("flavors", one, "GET", f"{specs}/hw:a", version=version, user="demo")
    contract.check("flavors", many, "GET", specs, version=version, user="demo")
    contract.check(
        "flavors", "unset_flavor_extra_specs", "DELETE", f"{specs}/hw:a", version=version
    )
    contract.check("flavors", "delete_flavor", "DELETE", path, version=version)


@pytest.mark.parametrize("version", [v for v in VERSIONS if int(v[2:]) < 88])
def test_hypervisors_before_2_88(contract: Contract, version: str) -> None:
    check = contract.check
    found = check(
        "hypervisor", "list_search_hypervisors", "GET", "/os-hypervisors", version=version
    )
    host_id = found["hypervisors"][0]["id"]
    check("hypervisor", "list_hypervisors_detail", "GET", "/os-hypervisors/detail", version=version)
    check("hypervisor", "get_hypervisor", "GET", f"/os-hypervisors/{host_id}", version=version)
    check(
        "hypervisor", "get_hypervisor_uptime", "GET", f"/os-hypervisors/{host_id}/uptime",
        version=version,
    )  # fmt: skip
    if int(version[2:]) >= 53:
        with_servers = check(
            "hypervisor", "list_hypervisors_detail", "GET",
            "/os-hypervisors/detail?with_servers=True&hypervisor_hostname_pattern=h",
            version=version,
        )  # fmt: skip
        servers = [s["uuid"] for h in with_servers["hypervisors"] for s in h.get("servers", ())]
        assert contract.active in servers
    else:
        check(
            "hypervisor", "list_search_hypervisors", "GET", "/os-hypervisors/h/search",
            version=version,
        )  # fmt: skip
        check(
            "hypervisor", "get_hypervisors_servers", "GET", "/os-hypervisors/h/servers",
            version=version,
        )  # fmt: skip


def test_hypervisors_from_2_88_on(contract: Contract) -> None:
    """Tempest's schemas end before 2.88; these are the fields of the API reference."""
    reply = contract.scene.call("GET", "/os-hypervisors/detail", version="2.88", user="admin")
    assert set(reply.json()["hypervisors"][0]) == {
        "id", "hypervisor_hostname", "state", "status", "hypervisor_type", "hypervisor_version",
        "host_ip", "service", "uptime",
    }  # fmt: skip
    host = reply.json()["hypervisors"][0]["id"]
    gone = contract.scene.call(
        "GET", f"/os-hypervisors/{host}/uptime", version="2.88", user="admin"
    )
    assert gone.status == 404


@pytest.mark.parametrize("version", VERSIONS)
def test_services(contract: Contract, version: str) -> None:
    check, minor = contract.check, int(version[2:])
    listed = check("services", "list_services", "GET", "/os-services", version=version)
    service = next(s for s in listed["services"] if s["host"] == "h2")
    if minor >= 53:
        for body in ({"status": "disabled", "disabled_reason": "dust"}, {"status": "enabled"}):
            answer = check(
                "services", "update_service", "PUT", f"/os-services/{service['id']}",
                version=version, body=body,
            )  # fmt: skip
            assert answer["service"]["status"] == body["status"]
        return
    named = {"host": "h2", "binary": "nova-compute"}
    check(
        "services", "enable_disable_service", "PUT", "/os-services/disable",
        version=version, body=named,
    )  # fmt: skip
    check(
        "services", "disable_log_reason", "PUT", "/os-services/disable-log-reason",
        version=version, body=named | {"disabled_reason": "dust"},
    )  # fmt: skip
    check(
        "services", "enable_disable_service", "PUT", "/os-services/enable",
        version=version, body=named,
    )  # fmt: skip
    if minor >= 11:
        check(
            "services", "update_forced_down", "PUT", "/os-services/force-down",
            version=version, body=named | {"forced_down": False},
        )  # fmt: skip


@pytest.mark.parametrize("version", VERSIONS)
def test_what_there_is_none_of(contract: Contract, version: str) -> None:
    check = contract.check
    check("migrations", "list_migrations", "GET", "/os-migrations", version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_server_groups(contract: Contract, version: str) -> None:
    check, minor, path = contract.check, int(version[2:]), "/os-server-groups"
    asked: dict[str, Any] = {"name": "web", "policies": ["anti-affinity"]}
    if minor >= 64:
        rules = {"max_server_per_host": 3}
        asked = {"name": "web", "policy": "anti-affinity", "rules": rules}
    one = "create_show_server_group"
    made = check(
        "server_groups", one, "POST", path, version=version, user="demo",
        body={"server_group": asked},
    )["server_group"]  # fmt: skip
    this = f"{path}/{made['id']}"
    shown = check("server_groups", one, "GET", this, version=version, user="demo")["server_group"]
    assert shown == made
    assert ("rules" in made, "metadata" in made) == (minor >= 64, minor < 64)
    assert ("project_id" in made) == (minor >= 13)
    listed = check("server_groups", "list_server_groups", "GET", path, version=version, user="demo")
    assert shown in listed["server_groups"]
    check("server_groups", "delete_server_group", "DELETE", this, version=version, user="demo")


@pytest.mark.parametrize("version", VERSIONS)
def test_aggregates(contract: Contract, version: str) -> None:
    check, path = contract.check, "/os-aggregates"
    made = check(
        "aggregates", "create_aggregate", "POST", path, version=version,
        body={"aggregate": {"name": f"fast in {version}", "availability_zone": "east"}},
    )["aggregate"]  # fmt: skip
    assert ("uuid" in made) == (int(version[2:]) >= 41)
    this, hosts = f"{path}/{made['id']}", "aggregate_add_remove_host"
    act = f"{this}/action"
    body: dict[str, Any] = {"add_host": {"host": "h2"}}
    assert check("aggregates", hosts, "POST", act, version=version, body=body)["aggregate"][
        "hosts"
    ] == ["h2"]
    body = {"set_metadata": {"metadata": {"ssd": "true"}}}
    told = check("aggregates", "aggregate_set_metadata", "POST", act, version=version, body=body)
    assert told["aggregate"]["metadata"] == {"availability_zone": "east", "ssd": "true"}
    body = {"aggregate": {"name": f"faster in {version}", "availability_zone": "west"}}
    check("aggregates", "update_aggregate", "PUT", this, version=version, body=body)
    shown = check("aggregates", "get_aggregate", "GET", this, version=version)["aggregate"]
    assert shown["availability_zone"] == "west"
    listed = check("aggregates", "list_aggregates", "GET", path, version=version)
    assert shown in listed["aggregates"]
    for zones, user in (("list_availability_zone_list", "demo"),
                        ("list_availability_zone_list_detail", "admin")):  # fmt: skip
        detail = "/detail" if zones.endswith("detail") else ""
        told = check(
            "availability_zone", zones, "GET", f"/os-availability-zone{detail}", version=version,
            user=user,
        )  # fmt: skip
        assert [zone["zoneName"] for zone in told["availabilityZoneInfo"]] == ["nova", "west"]
    body = {"remove_host": {"host": "h2"}}
    check("aggregates", hosts, "POST", act, version=version, body=body)
    check("aggregates", "delete_aggregate", "DELETE", this, version=version)


@pytest.mark.parametrize("version", VERSIONS)
def test_key_pairs(contract: Contract, version: str) -> None:
    check, path = contract.check, "/os-keypairs/mine"
    body = {"keypair": {"name": "mine", "public_key": an_ssh_key()}}
    check("keypairs", "create_keypair", "POST", "/os-keypairs", version=version, body=body)
    check("keypairs", "list_keypairs", "GET", "/os-keypairs", version=version)
    check("keypairs", "get_keypair", "GET", path, version=version)
    check("keypairs", "delete_keypair", "DELETE", path, version=version)
