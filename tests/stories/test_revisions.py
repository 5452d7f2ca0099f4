"""``If-Match``: who changes or deletes a thing may say which revision of it they have seen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.http_app import Site
from tests.support.network_api import NetworkApi, error_of


@pytest.fixture
def admin(site: Site) -> NetworkApi:
    return NetworkApi(site, "admin")


def made(admin: NetworkApi) -> list[tuple[str, str]]:
    """One of each kind: its path, and what a body calls it. In the order of deletion."""
    network = admin.create("network", name="n")["id"]
    subnet = admin.create("subnet", network_id=network, cidr="10.0.0.0/24")["id"]
    port = admin.create("port", network_id=network, fixed_ips=[])["id"]
    asked = {"security_group": {"name": "web"}}
    group = admin.ask("POST", "security-groups", asked).json()["security_group"]["id"]
    policy = admin.ask("POST", "qos/policies", {"policy": {"name": "gold"}}).json()["policy"]["id"]
    return [
        (f"ports/{port}", "port"), (f"subnets/{subnet}", "subnet"),
        (f"networks/{network}", "network"), (f"security-groups/{group}", "security_group"),
        (f"qos/policies/{policy}", "policy"),
    ]  # fmt: skip


def test_a_change_or_deletion_of_what_has_moved_is_refused(admin: NetworkApi) -> None:
    for path, member in made(admin):
        now = admin.ask("GET", path).json()[member]["revision_number"]
        body = {member: {"name": "other"}}

        def ask(method: str, revision: object, path: str = path, body: object = body) -> int:
            match = {"If-Match": f"revision_number={revision}"}
            sent = body if method == "PUT" else None
            return admin.ask(method, path, sent, headers=match).status

        assert ask("PUT", now - 1) == 412
        assert ask("PUT", now) == 200
        assert ask("DELETE", now) == 412, "it has moved by that"
        assert ask("DELETE", "new") == 400
        assert ask("DELETE", now + 1) == 204


def test_of_many_changes_from_one_revision_one_is_made(admin: NetworkApi) -> None:
    for path, member in made(admin):
        now = admin.ask("GET", path).json()[member]["revision_number"]
        match = {"If-Match": f"revision_number={now}"}
        with ThreadPoolExecutor(6) as pool:
            asking = [
                pool.submit(admin.ask, "PUT", path, {member: {"name": f"n{at}"}}, headers=match)
                for at in range(5)
            ]
            asking.append(pool.submit(admin.ask, "DELETE", path, headers=match))
        replies = [each.result() for each in asking]
        won = [reply for reply in replies if reply.status in (200, 204)]
        assert len(won) == 1, [reply.status for reply in replies]
        others = {reply.status for reply in replies if reply not in won}
        assert others <= {412, 404, 409}, "409: the port is still there"
        for reply in replies:
            if reply.status == 412:
                assert "is not at revision" in error_of(reply)["message"]
