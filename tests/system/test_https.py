"""HTTPS from end to end: service, agent, our command and the unmodified clients, as processes."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import ssl
from pathlib import Path

import pytest

from tests.support.certificates import Authority, self_signed
from tests.support.clients import OpenStack
from tests.support.patience import HANGS_SECONDS
from tests.support.processes import Running, ask, trunkline
from tests.support.waiting import wait_until
from tests.system.test_up import Session

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples/two-networks"


def shown(running: Running, ca_file: Path) -> bytes | None:
    """Return the certificate that a new client is shown."""
    context = ssl.create_default_context(cafile=str(ca_file))
    address = ("127.0.0.1", int(running.url.rsplit(":", 1)[1]))
    with (
        socket.create_connection(address, timeout=HANGS_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        return secure.getpeercert(binary_form=True)


def test_a_fleet_is_served_by_https_and_its_certificate_renewed_beneath_it(
    tmp_path: Path, openstack: OpenStack
) -> None:
    authority = Authority(tmp_path)
    authority.issue()
    (tmp_path / "enrolment.key").touch(mode=0o600)
    (tmp_path / "enrolment.key").write_text("k" * 40)
    controller = (EXAMPLE / "controller.toml").read_text()
    keys = '[listen]\ntls_cert = "tls.crt"\ntls_key = "tls.key"\n'
    (tmp_path / "controller.toml").write_text(controller.replace("[listen]\n", keys))
    with trunkline(tmp_path, "server", "--config", "controller.toml", "--port", "0") as server:
        assert server.url.startswith("https://127.0.0.1:")
        compute = (EXAMPLE / "compute.toml").read_text()
        trusting = f'url = "{server.url}"\nca_file = "ca.pem"'
        (tmp_path / "compute.toml").write_text(
            compute.replace('url = "http://127.0.0.1:8774"', trusting)
        )
        clouds = json.loads((tmp_path / "state/controller/clouds.yaml").read_text())
        for cloud in clouds["clouds"].values():
            assert cloud["auth"]["auth_url"] == f"{server.url}/identity"
            assert "cacert" not in cloud, "an authority signed it, which the operator knows"
            cloud["cacert"] = str(authority.file)
        (tmp_path / "clouds.yaml").write_text(json.dumps(clouds))
        with trunkline(
            tmp_path, "agent", "--config", "compute.toml", "--simulate", "scenario", "--host", "h1"
        ):  # fmt: skip
            session = Session(tmp_path, openstack)
            session.prepare()
            before = shown(server, authority.file)
            authority.issue()
            server.notify(signal.SIGHUP)
            wait_until(lambda: shown(server, authority.file) != before, "another certificate")
            assert session.boot("web", "--network", "blue")["status"] == "ACTIVE"
            assert [host["name"] for host in json.loads(ask(tmp_path, "host", "list", "--json"))]
    # What the operator wrote into the file is still there after a restart.
    shutil.copyfile(tmp_path / "clouds.yaml", tmp_path / "state/controller/clouds.yaml")
    with trunkline(tmp_path, "server", "--config", "controller.toml", "--port", "0"):
        kept = json.loads((tmp_path / "state/controller/clouds.yaml").read_text())["clouds"]
        assert [cloud["cacert"] for cloud in kept.values()] == [str(authority.file)] * 2


def test_a_self_signed_certificate_is_all_that_up_and_the_clients_need(
    tmp_path: Path, openstack: OpenStack
) -> None:
    files = self_signed(tmp_path)
    with trunkline(
        tmp_path, "up", "--data", "d", "--port", "0",
        "--tls-cert", files.certificate.name, "--tls-key", files.key.name,
    ) as running:  # fmt: skip
        shutil.copyfile(tmp_path / "d/clouds.yaml", tmp_path / "clouds.yaml")
        clouds = json.loads((tmp_path / "clouds.yaml").read_text())["clouds"]
        assert {cloud["cacert"] for cloud in clouds.values()} == {str(files.certificate)}
        done = openstack(tmp_path, "hypervisor", "list", "-f", "json", check=True)
        assert json.loads(done.stdout)
        assert json.loads(ask(tmp_path, "host", "list", "--json"))
        assert running.url.startswith("https://")
