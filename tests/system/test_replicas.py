"""Two `trunkline server` over one PostgreSQL, and agents that are attached to different ones."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.clients import OpenStack
from tests.support.processes import Running, trunkline
from tests.system.test_up import Session, vf_on_the_card

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples/two-networks"


class Replicas:
    """Replicas `a` and `b`, each in a directory of its own; hosts in the directory above.

    agent h1 ── a ──┐
                    ├── one PostgreSQL
    agent h2 ── b ──┘
    """

    def __init__(self, directory: Path, database_url: str, stack: ExitStack) -> None:
        self.directory = directory
        self._database_url = database_url
        self._stack = stack
        self.key = secrets.token_urlsafe(32) + "\n"

    def start(self, name: str) -> Running:
        """Start a replica with the shipped file, but for the database."""
        home = self.directory / name
        home.mkdir(exist_ok=True)
        config = (EXAMPLE / "controller.toml").read_text()
        without = "# [database]"
        assert without in config
        table = f'[database]\nurl = "{self._database_url}"\n{without}'
        images = f'images_dir = "{self.directory / "images"}"\n'
        home.joinpath("controller.toml").write_text(images + config.replace(without, table))
        key = home / "enrolment.key"
        key.touch(mode=0o600)
        key.write_text(self.key)
        return self._stack.enter_context(
            trunkline(home, "server", "--config", "controller.toml", "--port", "0")
        )

    def start_agent(self, host: str, replica: Running) -> Running:
        """Start the agent of `host`, attached to `replica`."""
        home = self.directory / f"{host}-agent"
        home.mkdir(exist_ok=True)
        config = (EXAMPLE / "compute.toml").read_text()
        home.joinpath("compute.toml").write_text(
            config.replace("http://127.0.0.1:8774", replica.url)
        )
        shutil.copyfile(self.directory / "a/enrolment.key", home / "enrolment.key")
        (home / "enrolment.key").chmod(0o600)
        return self._stack.enter_context(
            trunkline(
                home, "agent", "--config", "compute.toml", "--simulate", "scenario", "--host", host
            )
        )

    def session(self, name: str, replica: Running, openstack: OpenStack) -> Session:
        """Return a user of one replica; only the first to start has made clouds.yaml."""
        clouds = json.loads((self.directory / "a/state/controller/clouds.yaml").read_text())
        for cloud in clouds["clouds"].values():
            cloud["auth"]["auth_url"] = f"{replica.url}/identity"
        home = self.directory / f"user-{name}"
        home.mkdir()
        home.joinpath("clouds.yaml").write_text(json.dumps(clouds))
        hosts = home / "hosts"
        hosts.mkdir()
        for host in ("h1", "h2"):
            hosts.joinpath(host).symlink_to(
                self.directory / f"{host}-agent/state/agents/simulated/{host}"
            )
        return Session(home, openstack)


@pytest.fixture
def replicas(tmp_path: Path, new_empty_postgres_database: Callable[[], str]) -> Iterator[Replicas]:
    with ExitStack() as stack:
        yield Replicas(tmp_path, new_empty_postgres_database(), stack)


def test_a_server_made_at_one_replica_boots_on_a_host_of_the_other(
    replicas: Replicas, openstack: OpenStack
) -> None:
    a, b = replicas.start("a"), replicas.start("b")
    assert not any("new password" in line for line in b.said)
    replicas.start_agent("h1", a)
    replicas.start_agent("h2", b)
    at_a, at_b = replicas.session("a", a, openstack), replicas.session("b", b, openstack)
    at_a.prepare()
    at_b.admin("image", "save", "--file", str(replicas.directory / "got.img"), "tiny")
    assert (replicas.directory / "got.img").read_bytes() == b"disk" * 1000
    for name, host, maker, asker in (("web", "h2", at_a, at_b), ("db", "h1", at_b, at_a)):
        maker.admin("port", "create", "--network", "red", "--vnic-type", "direct", name)
        maker.admin(
            "server", "create", "--flavor", "small", "--image", "tiny", "--port", name,
            "--host", host, "--wait", name,
        )  # fmt: skip
        server = json.loads(asker.admin("server", "show", name, "-f", "json"))
        assert (server["status"], server["OS-EXT-SRV-ATTR:host"]) == ("ACTIVE", host)
        mac = json.loads(asker.admin("port", "show", name, "-f", "json"))["mac_address"]
        assert vf_on_the_card(at_a.directory, mac)[1]["vlan_id"] == 220
    a.kill()
    at_b.admin("server", "delete", "--wait", "web")
    left = json.loads(at_b.admin("server", "list", "-f", "json"))
    assert [row["Name"] for row in left] == ["db"]
