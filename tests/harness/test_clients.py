"""The OpenStack clients are the published ones, and know nothing of this project's packages."""

from __future__ import annotations

import http.server
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.clients import OpenStack, client_environment
from tests.support.environments import PINS
from tests.support.response_schemas import ResponseSchemas
from tests.support.warm_openstack import warm_openstack


def pinned(name: str) -> str:
    lines = (PINS / "clients.txt").read_text().splitlines()
    return next(line.removeprefix(f"{name}==") for line in lines if line.startswith(f"{name}=="))


def test_the_command_is_the_pinned_release(openstack: OpenStack, tmp_path: Path) -> None:
    said = openstack(tmp_path, "--version", check=True)
    assert said.stdout.split() == ["openstack", pinned("python-openstackclient")]


COMMANDS: tuple[tuple[str, ...], ...] = (
    ("--version",),
    ("network", "list", "-f", "json"),
    ("network", "show", "green"),
    ("network", "list", "--no-such-option"),
    ("no", "such", "command"),
    ("server", "create", "--help"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_says_the_same_as_one_that_has_just_imported_itself(
    openstack: OpenStack, openstack_bin: Path, a_cloud: Path, command: tuple[str, ...]
) -> None:
    fresh = subprocess.run(
        [str(openstack_bin / "openstack"), *command],
        cwd=a_cloud, env=client_environment(a_cloud, "here"), text=True, capture_output=True,
    )  # fmt: skip
    said = openstack(a_cloud, *command, cloud="here")
    assert (said.stdout, said.stderr, said.returncode) == (
        fresh.stdout, fresh.stderr, fresh.returncode,
    )  # fmt: skip


def test_a_command_has_nothing_of_the_one_before(
    openstack: OpenStack, a_cloud: Path, tmp_path: Path
) -> None:
    assert openstack(a_cloud, "network", "list", cloud="here").returncode == 0
    said = openstack(tmp_path, "network", "list", cloud="here")
    assert said.returncode != 0
    assert "here was not found" in said.stderr


def test_a_command_that_takes_too_long_is_ended(openstack_bin: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # Takes connections, and says nothing.
        write_cloud(tmp_path, mute.getsockname()[1])
        env = client_environment(tmp_path, "here")
        with (
            warm_openstack(openstack_bin / "python") as warm,
            pytest.raises(subprocess.TimeoutExpired),
        ):
            warm.run("network", "list", cwd=tmp_path, env=env, timeout=2)


def test_the_clients_cannot_import_this_project(
    run_with_sdk: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    assert "No module named 'trunkline'" in run_with_sdk(tmp_path, "import trunkline").stderr
    said = run_with_sdk(tmp_path, "import openstack.version as v; print(v.__version__)")
    assert said.stdout.strip() == pinned("openstacksdk")


class _OneNetwork(http.server.BaseHTTPRequestHandler):
    """As much of Neutron as `network list` asks for."""

    def do_GET(self) -> None:
        if self.path.startswith("/network/v2.0/networks"):
            body: object = {"networks": [{"id": "n1", "name": "blue", "subnets": []}]}
        else:
            links = [{"rel": "self", "href": f"http://{self.headers['Host']}/network/v2.0/"}]
            body = {"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: object) -> None:
        pass


def write_cloud(directory: Path, port: int) -> None:
    cloud = {
        "auth_type": "none",
        "network_endpoint_override": f"http://127.0.0.1:{port}/network",
    }
    # JSON is YAML.
    (directory / "clouds.yaml").write_text(json.dumps({"clouds": {"here": cloud}}))


@pytest.fixture
def a_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the cloud `here`, which has one network."""
    home = tmp_path_factory.mktemp("cloud")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _OneNetwork)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    write_cloud(home, server.server_port)
    try:
        yield home
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_command_speaks_to_the_cloud_that_the_folder_names(
    openstack: OpenStack, a_cloud: Path
) -> None:
    listed = ("network", "list", "-f", "json", "-c", "Name")
    said = openstack(a_cloud, *listed, cloud="here", check=True)
    assert json.loads(said.stdout) == [{"Name": "blue"}]


def test_tempests_schema_is_chosen_by_microversion(response_schemas: ResponseSchemas) -> None:
    def flavor_is_embedded(microversion: str | None) -> bool:
        schema = response_schemas.find("servers", "get_server", microversion)
        server = schema["response_body"]["properties"]["server"]["properties"]
        return "original_name" in server["flavor"]["properties"]

    # Nova's microversion 2.47 puts the flavor's details into the server.
    assert not flavor_is_embedded(None)
    assert not flavor_is_embedded("2.46")
    assert flavor_is_embedded("2.47")
    assert flavor_is_embedded("2.96")


def test_a_response_is_held_against_its_schema(response_schemas: ResponseSchemas) -> None:
    def check(body: object, status: int = 200) -> None:
        response_schemas.check(
            "versions", "list_versions", microversion=None, status=status, body=body
        )

    version = {
        "id": "v2.1",
        "links": [{"href": "http://127.0.0.1/v2.1/", "rel": "self"}],
        "status": "CURRENT",
        "updated": "2013-07-23T11:33:21Z",
        "version": "2.96",
        "min_version": "2.1",
    }
    check({"versions": [version]})
    with pytest.raises(AssertionError, match="status 202"):
        check({"versions": [version]}, status=202)
    with pytest.raises(AssertionError, match="updated"):
        check({"versions": [version | {"updated": "yesterday"}]})
    with pytest.raises(AssertionError, match="'status' is a required"):
        check({"versions": [{k: v for k, v in version.items() if k != "status"}]})
