"""What people do with servers besides making them: by the `openstack` command and openstacksdk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stories.desk import BLANK, Desk, Desks

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
    assert "admin role" in desk.fail(*reset, "error", web)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("pause",), "The requested functionality is not supported."),
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
        (("migrate",), "needs the admin role"),
    ],
)
def test_what_is_not_served_is_refused_in_openstacks_words(
    desk: Desk, web: str, command: tuple[str, ...], words: str
) -> None:
    assert words in desk.fail("server", *command, web)


def test_consoles_for_browsers_are_refused(desk: Desk, web: str) -> None:
    assert "Unavailable console type novnc" in desk.fail("console", "url", "show", web)
