"""The unmodified `openstack` command and SDK against the identity and image faces, over TCP."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import OpenStack
from tests.support.clock import a_clock_for_clients
from tests.support.http_app import Site, a_site, served, write_clouds


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path]]:
    home = tmp_path_factory.mktemp("cloud")
    with a_site(home, clock=a_clock_for_clients()) as site, served(site.app) as url:
        write_clouds(home, url, site.passwords)
        yield site, home


@pytest.fixture
def run(cloud: tuple[Site, Path], openstack: OpenStack) -> Callable[..., Any]:
    """Run a command that must succeed, and return its JSON."""

    def run_json(*args: str, as_cloud: str = "trunkline") -> Any:
        done = openstack(cloud[1], *args, "-f", "json", cloud=as_cloud, check=True)
        return json.loads(done.stdout)

    return run_json


def test_token_issue_and_catalog_list(cloud: tuple[Site, Path], run: Callable[..., Any]) -> None:
    token = run("token", "issue")
    caller = cloud[0].caller("admin")
    assert (token["project_id"], token["user_id"]) == (caller.project_id, caller.user_id)
    assert (
        cloud[0].http.request("GET", "/identity/v3/auth/projects", token=token["id"]).status == 200
    )
    catalog = run("catalog", "list")
    assert {entry["Type"] for entry in catalog} == {
        "identity", "compute", "network", "image", "placement",
    }  # fmt: skip


def test_token_revoke(
    cloud: tuple[Site, Path], run: Callable[..., Any], openstack: OpenStack
) -> None:
    token = run("token", "issue", as_cloud="trunkline-demo")["id"]
    openstack(cloud[1], "token", "revoke", token, check=True)
    assert cloud[0].http.request("GET", "/identity/v3/auth/projects", token=token).status == 401


def test_projects_and_users_are_listed_and_shown(run: Callable[..., Any]) -> None:
    assert [project["Name"] for project in run("project", "list")] == ["admin", "demo"]
    shown = run("project", "show", "demo")
    assert run("project", "show", shown["id"])["name"] == "demo"
    assert {user["Name"] for user in run("user", "list")} == {"admin", "demo", "reader"}
    assert run("user", "show", "demo")["domain_id"] == "default"
    assert [project["Name"] for project in run("project", "list", as_cloud="trunkline-demo")] == [
        "demo"
    ]
    assert {role["Name"] for role in run("role", "list")} == {
        "admin",
        "manager",
        "member",
        "reader",
    }


def test_a_wrong_password_is_told_as_such(cloud: tuple[Site, Path], openstack: OpenStack) -> None:
    done = openstack(cloud[1], "--os-password", "wrong", "token", "issue")
    assert done.returncode == 1
    assert "requires authentication" in done.stderr


def test_an_image_goes_in_with_its_bytes_and_comes_out_the_same(
    cloud: tuple[Site, Path], run: Callable[..., Any], openstack: OpenStack, tmp_path: Path
) -> None:
    content = hashlib.shake_256(b"disk").digest(5 * 1024 * 1024 + 17)
    (tmp_path / "disk.img").write_bytes(content)
    created = run(
        "image", "create", "debian", "--file", str(tmp_path / "disk.img"), "--disk-format", "raw",
        "--property", "os_distro=debian", "--tag", "base", "--min-disk", "2",
        as_cloud="trunkline-demo",
    )  # fmt: skip
    shown = run("image", "show", "debian", as_cloud="trunkline-demo")
    assert shown["status"] == "active"
    assert shown["size"] == len(content)
    assert shown["checksum"] == hashlib.md5(content).hexdigest()
    assert shown["properties"]["os_hash_value"] == hashlib.sha512(content).hexdigest()
    assert shown["properties"]["os_distro"] == "debian"
    assert shown["tags"] == ["base"]
    assert [i["Name"] for i in run("image", "list", as_cloud="trunkline-demo")] == ["debian"]
    saved = tmp_path / "saved.img"
    openstack(
        cloud[1], "image", "save", "--file", str(saved), created["id"],
        cloud="trunkline-demo", check=True,
    )  # fmt: skip
    assert saved.read_bytes() == content
    openstack(cloud[1], "image", "delete", "debian", cloud="trunkline-demo", check=True)
    gone = openstack(cloud[1], "image", "show", "debian", cloud="trunkline-demo")
    assert gone.returncode == 1
    assert "debian" in gone.stderr


def test_an_image_is_changed_by_the_command(
    cloud: tuple[Site, Path], run: Callable[..., Any], openstack: OpenStack
) -> None:
    run("image", "create", "plain", "--disk-format", "qcow2")
    openstack(
        cloud[1], "image", "set", "plain", "--name", "better", "--property", "a=b", "--tag", "t1",
        "--tag", "t2", "--min-ram", "64", "--public", "--protected", check=True,
    )  # fmt: skip
    shown = run("image", "show", "better")
    assert (shown["min_ram"], shown["visibility"], shown["protected"]) == (64, "public", True)
    assert (shown["properties"]["a"], sorted(shown["tags"])) == ("b", ["t1", "t2"])
    openstack(cloud[1], "image", "unset", "better", "--property", "a", "--tag", "t1", check=True)
    shown = run("image", "show", "better")
    assert "a" not in shown["properties"]
    assert shown["tags"] == ["t2"]
    assert [i["Name"] for i in run("image", "list", "--public")] == ["better"]
    refused = openstack(cloud[1], "image", "delete", "better")
    assert refused.returncode == 1
    assert "protected" in refused.stderr
    openstack(cloud[1], "image", "set", "better", "--unprotected", check=True)
    openstack(cloud[1], "image", "delete", "better", check=True)


def test_the_sdk_uploads_pages_and_downloads(
    cloud: tuple[Site, Path],
    run_with_sdk: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    script = """
import openstack, io
cloud = openstack.connect()
for number in range(5):
    image = cloud.create_image(
        f"sdk{number}", data=b"bytes %d" % number, disk_format="raw", container_format="bare",
        wait=True, validate_checksum=True, allow_duplicates=True)
    assert image.status == "active", image
names = [image.name for image in cloud.image.images(limit=2, sort="name:asc")]
assert names == [f"sdk{number}" for number in range(5)], names
found = cloud.image.find_image("sdk3")
assert cloud.image.download_image(found).content == b"bytes 3"
assert {p.name for p in cloud.identity.user_projects(cloud.current_user_id)} == {"demo"}
for image in cloud.image.images():
    cloud.image.delete_image(image)
assert list(cloud.image.images()) == []
print("done")
"""
    done = run_with_sdk(cloud[1], script, cloud="trunkline-demo")
    assert done.stdout.strip() == "done", done.stderr
