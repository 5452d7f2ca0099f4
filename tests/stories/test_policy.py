"""What an operator's own policy file does to those who ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.http_app import Site, a_site
from tests.support.network_api import NetworkApi
from tests.support.roles import give_role
from trunkline.bootstrap.policy_file import read_policy
from trunkline.store.transaction import Transaction

PROVIDER: dict[str, Any] = {
    "provider__network_type": "vlan",
    "provider__physical_network": "phy1",
    "provider__segmentation_id": 160,
}


@contextmanager
def a_site_with(tmp_path: Path, text: str) -> Iterator[Site]:
    """A site whose operator wrote this policy file; user reader has the role network_admin too."""
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with a_site(tmp_path, policy=read_policy(file)) as site:
        yield site


def give(site: Site, user: str, role: str) -> None:
    def write(tx: Transaction) -> None:
        [known], [demo] = tx.identity.users_named(user), tx.identity.projects_named("demo")
        give_role(tx, known.id, demo.id, role)

    site.svc.store.write(write)


NETWORK_TEAM = """\
# The network team makes networks on what is cabled.
"netops": "rule:admin_only or role:network_admin"
"create_network": "rule:netops or rule:project_member"
"create_network:provider:network_type": "rule:netops"
"create_network:provider:physical_network": "rule:netops"
"create_network:provider:segmentation_id": "rule:netops"
"get_network:provider:segmentation_id": "rule:netops"
"""


def test_a_role_of_the_operators_makes_provider_networks_and_members_still_do_not(
    tmp_path: Path,
) -> None:
    with a_site_with(tmp_path, NETWORK_TEAM) as site:
        refused = NetworkApi(site, "demo").create("network", 403, name="mine", **PROVIDER)
        assert "create_network:provider:network_type" in refused["message"]
        assert NetworkApi(site, "demo").create("network", name="plain")["name"] == "plain"
        NetworkApi(site, "reader").create("network", 403, name="early", **PROVIDER)
        give(site, "reader", "Network_Admin")
        team = NetworkApi(site, "reader")
        made = team.create("network", name="cabled", **PROVIDER)
        assert made["provider:segmentation_id"] == 160
        assert "provider:physical_network" not in made, "no rule gave it to them to see"
        team.create("network", 403, name="shared", shared=True, **PROVIDER)
        team.update("network", made["id"], 403, name="renamed")


def test_creating_ports_is_taken_from_members(tmp_path: Path) -> None:
    with a_site_with(tmp_path, '"create_port": "rule:admin_only"\n') as site:
        demo, admin = NetworkApi(site, "demo"), NetworkApi(site, "admin")
        network = demo.create("network", name="blue")
        refused = demo.create("port", 403, network_id=network["id"])
        assert "create_port" in refused["message"]
        assert demo.all("port") == []
        made = admin.create("port", network_id=network["id"], project_id=network["project_id"])
        assert demo.update("port", made["id"], name="mine")["name"] == "mine"


def test_ports_are_closed_to_readers_in_lists_and_one_by_one(tmp_path: Path) -> None:
    closed = '"get_port": "rule:admin_only or (role:member and project_id:%(project_id)s)"\n'
    with a_site_with(tmp_path, closed) as site:
        demo, reader = NetworkApi(site, "demo"), NetworkApi(site, "reader")
        network = demo.create("network", name="blue")
        port = demo.create("port", network_id=network["id"])
        assert [each["id"] for each in demo.all("port")] == [port["id"]]
        assert reader.ask("GET", "ports").status == 403
        reader.show("port", port["id"], 404)
        reader.delete("port", port["id"], 404)
        assert reader.names("network") == ["blue"]


def test_an_attribute_is_opened_to_those_who_see_the_thing(tmp_path: Path) -> None:
    with a_site_with(tmp_path, '"get_port:binding:host_id": "@"\n') as site:
        demo = NetworkApi(site, "demo")
        network = demo.create("network", name="blue")
        port = demo.create("port", network_id=network["id"])
        assert port["binding:host_id"] == ""
        assert "binding:profile" not in port


def test_servers_are_their_makers_own(tmp_path: Path) -> None:
    """As private clouds have it: others of the project neither delete nor stop them."""
    own = '"os_compute_api:servers:delete": "rule:admin_only or user_id:%(user_id)s"\n'
    with a_site_with(tmp_path, own) as site:
        give(site, "reader", "member")
        theirs = site.caller("demo")
        token = site.token("reader")
        made = _a_server(site)
        path = f"/compute/v2.1/servers/{made}"
        assert site.http.request("GET", path, token=token).status == 200
        assert site.http.request("DELETE", path, token=token).status == 403
        assert site.http.request("DELETE", path, token=site.token("demo")).status == 204
        assert theirs.project_id == site.caller("reader").project_id


def _a_server(site: Site) -> str:
    flavor = {"name": "small", "ram": 1, "vcpus": 1, "disk": 0}
    admin, demo = site.token("admin"), site.token("demo")
    reply = site.http.request("POST", "/compute/v2.1/flavors", token=admin, body={"flavor": flavor})
    asked = {"name": "web", "flavorRef": reply.json()["flavor"]["id"], "imageRef": "",
             "networks": "none", "min_count": 1, "max_count": 1,
             "block_device_mapping_v2": [{"source_type": "blank", "destination_type": "local",
                                          "boot_index": 0, "volume_size": "1"}]}  # fmt: skip
    made = site.http.request(
        "POST", "/compute/v2.1/servers", token=demo, body={"server": asked},
        headers={"X-OpenStack-Nova-API-Version": "2.72"},
    )  # fmt: skip
    assert made.status == 202, made
    server: str = made.json()["server"]["id"]
    return server


@pytest.mark.parametrize("user", ["demo", "reader"])
def test_without_a_file_the_defaults_hold(tmp_path: Path, user: str) -> None:
    with a_site_with(tmp_path, "") as site:
        refused = NetworkApi(site, user).create("network", 403, name="x", **PROVIDER)
        assert "create_network" in refused["message"]
