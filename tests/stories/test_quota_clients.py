"""The unmodified `openstack` command sets, shows and takes away quotas, and meets them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stories.desk import BLANK, Desk, Desks

ADMIN = "trunkline"


@pytest.fixture(scope="module")
def desk(desks: Desks) -> Iterator[Desk]:
    with desks.set_up() as opened:
        yield opened


def shown(desk: Desk, *args: str, cloud: str = ADMIN) -> dict[str, int]:
    rows = desk.show("quota", "show", *args, cloud=cloud)
    return {row["Resource"]: row["Limit"] for row in rows}


def test_quotas_are_set_shown_met_listed_and_deleted(desk: Desk) -> None:
    desk.run(
        "quota", "set", "--instances", "1", "--cores", "8", "--ports", "2", "demo", cloud=ADMIN
    )
    limits = shown(desk, cloud="trunkline-demo")
    assert (limits["instances"], limits["cores"], limits["ram"]) == (1, 8, -1)
    assert (limits["ports"], limits["networks"], limits["subnets"]) == (2, -1, -1)

    create = ("server", "create", "--flavor", "small", *BLANK, "--network", "blue")
    desk.run(*create, "--wait", "first")
    assert "quota exceeded for servers: 1 asked for, 1 of 1 held" in desk.fail(*create, "second")
    desk.run("port", "create", "--network", "blue", "one-more")
    refusal = desk.fail("port", "create", "--network", "blue", "too-many")
    assert "quota exceeded for ports: 1 asked for, 2 of 2 held" in refusal

    used = {
        row["Resource"]: row["In Use"]
        for row in desk.show("quota", "show", "--usage", "demo", cloud=ADMIN)
    }
    assert (used["instances"], used["ports"]) == (1, 2)
    assert "less than" in desk.fail("quota", "set", "--instances", "0", "demo", cloud=ADMIN)
    desk.run("quota", "set", "--instances", "0", "--force", "demo", cloud=ADMIN)
    (row,) = desk.show("quota", "list", "--network", cloud=ADMIN)
    assert (row["Ports"], row["Networks"]) == (2, -1)
    desk.run("quota", "delete", "--compute", "demo", cloud=ADMIN)
    desk.run("quota", "delete", "--network", "demo", cloud=ADMIN)
    assert set(shown(desk, "demo").values()) >= {-1}
    assert shown(desk, "demo")["instances"] == shown(desk, "demo")["ports"] == -1


def test_quotas_of_all_projects_are_set_and_shown(desk: Desk) -> None:
    desk.run("quota", "set", "--class", "--cores", "64", "default", cloud=ADMIN)
    assert shown(desk, "--default", "demo")["cores"] == 64
    assert shown(desk, "demo")["cores"] == 64
    desk.run("quota", "set", "--class", "--cores", "-1", "default", cloud=ADMIN)
    assert shown(desk, "demo")["cores"] == -1
