"""docs/keystone.md, followed: Keystone, the service, agents and the real clients, as processes."""

from __future__ import annotations

import json
import re
import secrets
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import OpenStack
from tests.support.environments import REPOSITORY
from tests.support.keystone import ADMIN_PASSWORD, Keystone, a_keystone, project_scope
from tests.support.processes import Running, ask
from tests.support.waiting import wait_until
from tests.system.test_apart import EXAMPLE, Site
from tests.system.test_up import Session
from trunkline.client.connection import Connection
from trunkline.client.plain_yaml import parse

pytestmark = pytest.mark.slow

PAGE = (REPOSITORY / "docs/keystone.md").read_text()
CACHE_SECONDS = 2
POLICY = "".join(
    f'"create_network:provider:{name}": "rule:admin_only or role:network_admin"\n'
    for name in ("network_type", "physical_network", "segmentation_id")
)


@dataclass(frozen=True, slots=True)
class Cloud:
    """Keystone, the service, two hosts with their agents, and users who have logged in."""

    keystone: Keystone
    server: Running
    site: Site
    session: Session

    def status(self, token: str) -> int:
        """Ask for the servers with a token."""
        with Connection(self.server.url) as connection:
            headers = {"X-Auth-Token": token}
            return connection.request("GET", "/compute/v2.1/servers", headers=headers).status


def section(number: int) -> str:
    """A step of the page."""
    return PAGE.split(f"**{number}. ")[1].split("\n**")[0].split("\n## ")[0]


def block(number: int, language: str) -> str:
    """The block of this language in a step."""
    found = re.search(rf"```{language}\n(.*?)```", section(number), re.DOTALL)
    assert found is not None
    return found[1]


def commands(number: int, replaced: dict[str, str]) -> Iterator[list[str]]:
    """The `openstack` commands of a step."""
    for line in block(number, "console").splitlines():
        for old, new in replaced.items():
            line = line.replace(old, new)
        if line.startswith("$ openstack "):
            yield shlex.split(line.removeprefix("$ openstack "))


def controller_file(keystone_url: str) -> str:
    """The example's file with what the page says."""
    whole = block(3, "toml").replace("http://keystone:5000", keystone_url)
    top, _, table = whole.partition("[keystone]\n")
    limits = f"cache_seconds = {CACHE_SECONDS}\ntimeout_seconds = 60\n"
    example = (EXAMPLE / "controller.toml").read_text()
    return f'{top}{example}\n[keystone]\n{table}{limits}\n[policy]\nfile = "policy.yaml"\n'


def entry(keystone_url: str, user: str, password: str, project: str) -> dict[str, Any]:
    """The page's entry of clouds.yaml, for this user."""
    cloud: dict[str, Any] = parse(block(4, "yaml"))["clouds"]["trunkline"]
    assert cloud["auth"].pop("auth_url") == "http://keystone:5000"
    who = {"username": user, "password": password, "project_name": project}
    return {**cloud, "auth": {**cloud["auth"], **who, "auth_url": keystone_url}}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, openstack: OpenStack) -> Iterator[Cloud]:
    directory = tmp_path_factory.mktemp("site")
    with a_keystone(tmp_path_factory.mktemp("keystone")) as keystone, ExitStack() as stack:
        clouds = {
            "trunkline": entry(keystone.url, "admin", ADMIN_PASSWORD, "admin"),
            "trunkline-demo": entry(keystone.url, "alice", "alices-own", "demo"),
            "rita": entry(keystone.url, "rita", "ritas-own", "demo"),
            "nora": entry(keystone.url, "nora", "noras-own", "demo"),
        }
        (directory / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))
        password = secrets.token_urlsafe(32)
        for name, text in (("keystone.password", password), ("enrolment.key", "e" * 40)):
            (directory / name).write_text(text + "\n")
            (directory / name).chmod(0o600)
        (directory / "policy.yaml").write_text(POLICY)
        for args in commands(1, {"$(cat keystone.password)": password}):
            openstack(directory, *args, check=True)
        (directory / "controller.toml").write_text(controller_file(keystone.url))
        site = Site(directory, stack)
        server = site.start_server()
        for args in commands(2, {"http://controller:8774": server.url}):
            openstack(directory, *args, check=True)
        for args in commands(4, {}):
            openstack(directory, *args, check=True)
        [demo] = (p["id"] for p in keystone.ask("GET", "/projects") if p["name"] == "demo")
        keystone.a_user("rita", "ritas-own", reader=demo)
        keystone.a_role("network_admin")
        keystone.a_user("nora", "noras-own", member=demo, network_admin=demo)
        for host in ("h1", "h2"):
            site.start_agent(host)
        session = Session(directory, openstack)
        session.prepare()
        yield Cloud(keystone, server, site, session)


def test_the_service_makes_no_users_of_its_own(cloud: Cloud) -> None:
    assert f"users log in to Keystone at {cloud.keystone.url}" in cloud.server.said
    assert not any("password" in line for line in cloud.server.said)
    assert not list(cloud.site.directory.glob("state/**/clouds.yaml"))


def test_a_server_on_both_networks_is_keystones_users(cloud: Cloud) -> None:
    session = cloud.session
    for name in ("blue", "red"):
        session.demo("port", "create", "--network", name, "--vnic-type", "direct", name)
    server = session.boot("web", "--port", "blue", "--port", "red")
    assert server["status"] == "ACTIVE"
    for name, vlan in (("blue", 120), ("red", 220)):
        mac = session.show("port", "show", name)["mac_address"]
        assert _vf_with(cloud.site.directory, mac)["vlan_id"] == vlan
    project = json.loads(session.admin("project", "show", "demo", "-f", "json"))["id"]
    assert server["project_id"] == project
    events = json.loads(ask(cloud.site.directory, "events", "--json"))
    placed = [each for each in events if each["action"] == "server.create"]
    assert {(each["actor"], each["project_id"]) for each in placed} == {("user alice", project)}


def test_the_trunkline_command_finds_the_service_by_the_catalog(cloud: Cloud) -> None:
    hosts = json.loads(ask(cloud.site.directory, "host", "list", "--json"))
    assert {host["name"] for host in hosts} == {"h1", "h2"}
    project = json.loads(cloud.session.admin("project", "show", "demo", "-f", "json"))["id"]
    quota = ask(cloud.site.directory, "quota", "set", project, "--limit", "7", "--json")
    assert json.loads(quota)["project_id"] == project


def test_a_reader_looks_and_changes_nothing(cloud: Cloud, openstack: OpenStack) -> None:
    listed = openstack(cloud.site.directory, "network", "list", cloud="rita", check=True)
    assert "blue" in listed.stdout
    refused = openstack(cloud.site.directory, "network", "create", "hers", cloud="rita")
    assert refused.returncode == 1
    assert "403" in refused.stderr


def test_a_role_of_keystones_own_means_what_the_policy_file_says(
    cloud: Cloud, openstack: OpenStack
) -> None:
    wanted = (
        "network", "create", "--provider-network-type", "vlan", "--provider-physical-network",
        "phy1", "--provider-segment", "130", "green",
    )  # fmt: skip
    assert openstack(cloud.site.directory, *wanted, cloud="trunkline-demo").returncode == 1
    openstack(cloud.site.directory, *wanted, cloud="nora", check=True)


def test_tokens_that_keystone_revoked_or_whose_user_it_disabled_end_here(cloud: Cloud) -> None:
    keystone = cloud.keystone
    [demo] = (p["id"] for p in keystone.ask("GET", "/projects") if p["name"] == "demo")
    dora = keystone.a_user("dora", "doras-own", member=demo)
    revoked, disabled = (
        keystone.token("dora", "doras-own", project_scope("demo")) for _ in range(2)
    )
    assert cloud.status(revoked) == cloud.status(disabled) == 200
    keystone.revoke(revoked)
    wait_until(lambda: cloud.status(revoked) == 401, "the revoked token is refused", seconds=60)
    assert cloud.status(disabled) == 200
    keystone.change_user(dora, enabled=False)
    wait_until(lambda: cloud.status(disabled) == 401, "the user is refused", seconds=60)


def test_who_still_logs_in_to_trunkline_is_told_where_keystone_is(
    cloud: Cloud, openstack: OpenStack, tmp_path: Path
) -> None:
    clouds = {"old": entry(f"{cloud.server.url}/identity", "alice", "alices-own", "demo")}
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": clouds}))
    refused = openstack(tmp_path, "network", "list", cloud="old")
    assert refused.returncode == 1
    assert f"identity is not served here, but by Keystone at {cloud.keystone.url}" in refused.stderr


def _vf_with(directory: Path, mac: str) -> dict[str, Any]:
    for file in directory.glob("state/agents/simulated/*/kernel.json"):
        for pf in json.loads(file.read_text())["pfs"]:
            for vf in pf.get("vfs", []):
                if vf.get("mac") == mac:
                    found: dict[str, Any] = vf
                    return found
    raise AssertionError(f"no VF has the MAC {mac}")
