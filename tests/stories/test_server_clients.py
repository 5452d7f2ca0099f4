"""What people do with servers besides making them: by the `openstack` command and openstacksdk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stories.desk import BLANK, Desk, Desks
from tests.support.ssh_keys import an_ssh_key

ADMIN = "trunkline"


@pytest.fixture(scope="module")
def desk(desks: Desks) -> Iterator[Desk]:
    with desks.set_up() as opened:
        yield opened


@pytest.fixture(scope="module")
def web(desk: Desk) -> str:
    """The name of an ACTIVE server."""
    create = ("server", "create", "--flavor", "small", *BLANK, "--nic", "none", "--wait", "web")
    assert desk.show(*create)["status"] == "ACTIVE"
    return "web"


def test_properties_tags_and_description_are_set_and_unset(desk: Desk, web: str) -> None:
    desk.run(
        "server", "set", "--property", "role=front", "--property", "tier=1", "--tag", "blue",
        "--tag", "green", "--description", "in front", web,
    )  # fmt: skip
    shown = desk.show("server", "show", web)
    assert shown["properties"] == {"role": "front", "tier": "1"}
    assert shown["tags"] == ["blue", "green"]
    assert shown["description"] == "in front"
    desk.run(
        "server", "unset", "--property", "tier", "--tag", "green", "--description", web
    )  # fmt: skip
    shown = desk.show("server", "show", web)
    assert (shown["properties"], shown["tags"]) == ({"role": "front"}, ["blue"])
    assert shown["description"] in (None, "")
    assert "255" in desk.fail("server", "set", "--property", f"k={'v' * 256}", web)


def test_a_locked_server_stays_as_it_is_until_it_is_unlocked(desk: Desk, web: str) -> None:
    desk.run("server", "lock", "--reason", "do not touch", web)
    assert desk.show("server", "show", web)["locked_reason"] == "do not touch"
    for refused in (("server", "stop", web), ("server", "delete", web)):
        assert "is locked" in desk.fail(*refused)
    desk.run("server", "unlock", web)
    assert desk.show("server", "show", web)["locked"] is False


def test_an_admin_resets_the_state(desk: Desk, web: str) -> None:
    server_id = desk.show("server", "show", web)["id"]
    reset = ("server", "set", "--auto-approve", "--state")
    desk.run(*reset, "error", server_id, cloud=ADMIN)
    assert desk.show("server", "show", web)["status"] == "ERROR"
    desk.run(*reset, "active", server_id, cloud=ADMIN)
    assert desk.show("server", "show", web)["status"] == "ACTIVE"
    assert "os-admin-actions:reset_state" in desk.fail(*reset, "error", web)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("suspend",), "The requested functionality is not supported."),
        (("shelve",), "The requested functionality is not supported."),
        (("rescue",), "The requested functionality is not supported."),
        (("resize", "--flavor", "small"), "The requested functionality is not supported."),
        (("image", "create", "--name", "copy"), "The requested functionality is not supported."),
        (("dump", "create"), "The requested functionality is not supported."),
        (("unpause",), "while it is in vm_state active"),
        (("resume",), "while it is in vm_state active"),
        (("unrescue",), "while it is in vm_state active"),
        (("resize", "confirm"), "while it is in vm_state active"),
        (("migrate",), "os-migrate-server:migrate"),
    ],
)
def test_what_is_not_served_is_refused_in_openstacks_words(
    desk: Desk, web: str, command: tuple[str, ...], words: str
) -> None:
    assert words in desk.fail("server", *command, web)


def test_a_server_is_paused_and_goes_on(desk: Desk, web: str) -> None:
    desk.run("server", "pause", web)
    desk.wait_for_status(web, "PAUSED")
    assert "while it is in vm_state paused" in desk.fail("server", "pause", web)
    desk.run("server", "unpause", web)
    desk.wait_for_status(web, "ACTIVE")


def test_a_server_is_rebuilt_by_its_owner(desk: Desk, web: str) -> None:
    image = desk.directory / "disk.img"
    image.write_bytes(b"bytes of an image")
    desk.run("image", "create", "--file", str(image), "--disk-format", "raw", "fresh")
    before = desk.show("server", "show", web)
    rebuild = ("server", "rebuild", "--image", "fresh", "--wait")
    key = desk.directory / "key.pub"
    key.write_text(an_ssh_key())
    data = desk.directory / "user-data"
    data.write_text("#cloud-config")
    desk.run("keypair", "create", "--public-key", str(key), "mine")
    desk.run(
        *rebuild, "--reimage-boot-volume", "--name", "web2", "--password", "secret",
        "--property", "a=1", "--key-name", "mine", "--user-data", str(data),
        "--description", "new", "--hostname", "h", web,
    )  # fmt: skip
    after = desk.show("server", "show", "web2")
    assert after["image"].startswith("fresh ")
    said = ("name", "properties", "key_name", "description", "OS-EXT-SRV-ATTR:hostname", "status")
    assert [after[name] for name in said] == ["web2", {"a": "1"}, "mine", "new", "h", "ACTIVE"]
    for kept in ("addresses", "id", "flavor", "hostId", "created"):
        assert after[kept] == before[kept], kept
    desk.run(*rebuild, "--no-key-name", "--no-user-data", "--name", web, "web2")
    assert desk.show("server", "show", web)["key_name"] is None
    assert "ephemeral" in desk.fail(*rebuild, "--preserve-ephemeral", web)


def test_consoles_for_browsers_are_refused(desk: Desk, web: str) -> None:
    assert "Unavailable console type novnc" in desk.fail("console", "url", "show", web)


def test_what_was_done_with_a_server_is_listed_and_shown(desk: Desk, web: str) -> None:
    desk.run("server", "stop", web)
    desk.wait_for_status(web, "SHUTOFF")
    desk.run("server", "start", web)
    desk.wait_for_status(web, "ACTIVE")
    rows = desk.show("server", "event", "list", "--long", web)
    assert [row["Action"] for row in rows][-1] == "create"
    assert {"stop", "start"} <= {row["Action"] for row in rows}
    stop = next(row["Request ID"] for row in rows if row["Action"] == "stop")
    shown = desk.show("server", "event", "show", web, stop)
    assert shown["action"] == "stop"
    assert "server.shutoff" in str(shown["events"])
    newest = desk.show("server", "event", "list", "--limit", "1", web)
    assert len(newest) == 1


def names(desk: Desk, *args: str, cloud: str = "trunkline-demo") -> list[str]:
    return [row["Name"] for row in desk.show("server", "list", *args, cloud=cloud)]


@pytest.fixture(scope="module")
def apps(desk: Desk, web: str) -> set[str]:
    """`web` and two more: app-1 with an address and the tags x and y, app-2 locked with y."""
    create = ("server", "create", "--flavor", "small", *BLANK)
    desk.run(*create, "--network", "blue", "--tag", "x", "--tag", "y", "app-1")
    desk.run(*create, "--nic", "none", "--tag", "y", "--wait", "app-2")
    desk.run("server", "lock", "app-2")
    return {web, "app-1", "app-2"}


def test_lists_are_filtered(desk: Desk, apps: set[str]) -> None:
    assert names(desk, "--tags", "x") == ["app-1"]
    assert names(desk, "--tags", "y", "--not-tags", "x") == ["app-2"]
    assert names(desk, "--locked") == ["app-2"]
    assert set(names(desk, "--unlocked")) == apps - {"app-2"}
    assert names(desk, "--ip", "10.0.0") == ["app-1"]
    assert names(desk, "--status", "SHUTOFF") == []
    assert names(desk, "--changes-before", "2001-01-01T00:00:00Z") == []


def test_lists_are_sorted_paged_and_told_at_length(desk: Desk, apps: set[str]) -> None:
    descending = ("--sort-column", "Name", "--sort-descending")
    assert names(desk, *descending) == sorted(apps, reverse=True)
    first, second = names(desk, "--limit", "2")
    assert {first, second, *names(desk, "--limit", "2", "--marker", second)} == apps
    (long,) = desk.show("server", "list", "--long", "--name", "^app-2$")
    assert (long["Power State"], long["Availability Zone"]) == (1, "nova")
    assert names(desk, "--all-projects", "--host", "h9", cloud=ADMIN) == []


def test_deleted_servers_are_listed_for_admins(desk: Desk, apps: set[str]) -> None:
    desk.run("server", "delete", "--wait", "app-1")
    assert "app-1" in names(desk, "--all-projects", "--deleted", cloud=ADMIN)
    assert "app-1" not in names(desk)
    assert apps


def test_what_there_is_none_of_is_an_empty_list(desk: Desk, web: str) -> None:
    assert desk.show("server", "migration", "list", cloud=ADMIN) == []
    assert desk.show("server", "volume", "list", web) == []


def test_limits_and_extensions(desk: Desk, web: str) -> None:
    limits = {row["Name"]: row["Value"] for row in desk.show("limits", "show", "--absolute")}
    assert limits["total_instances_used"] >= 1
    assert "os-keypairs" in {row["Alias"] for row in desk.show("extension", "list", "--compute")}
