"""Tags of networks, subnets, ports and QoS policies, as Neutron has them."""

from __future__ import annotations

import pytest

from tests.support.clock import ManualClock
from tests.support.http_app import Site
from tests.support.network_api import NetworkApi, error_of
from trunkline.domain.tags import TAG_LENGTH_MAX, TAGS_MAX

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def admin(site: Site) -> NetworkApi:
    return NetworkApi(site, "admin")


@pytest.fixture
def demo(site: Site) -> NetworkApi:
    return NetworkApi(site, "demo")


def things(admin: NetworkApi, demo: NetworkApi) -> list[tuple[NetworkApi, str]]:
    """One of each kind that can have tags: who may tag it, and where it is."""
    network = demo.create("network", name="n")
    subnet = demo.create("subnet", network_id=network["id"], cidr="10.0.0.0/24")
    port = demo.create("port", network_id=network["id"])
    asked = {"policy": {"name": "gold", "shared": True}}
    policy = admin.ask("POST", "qos/policies", asked).json()["policy"]
    return [
        (demo, f"networks/{network['id']}"),
        (demo, f"subnets/{subnet['id']}"),
        (demo, f"ports/{port['id']}"),
        (admin, f"policies/{policy['id']}"),
        (admin, f"qos/policies/{policy['id']}"),
    ]


def test_tags_are_put_read_added_and_taken_away(admin: NetworkApi, demo: NetworkApi) -> None:
    for owner, path in things(admin, demo):
        put = owner.ask("PUT", f"{path}/tags", {"tags": ["red", "blue"]})
        assert (put.status, put.json()) == (200, {"tags": ["red", "blue"]})
        assert owner.ask("PUT", f"{path}/tags/black.or.white%20%C3%A9").status == 201
        assert owner.ask("PUT", f"{path}/tags/red").status == 201, "it is there already"
        assert owner.ask("POST", f"{path}/tags", {"tags": ["green"]}).status == 201
        tags = ["red", "blue", "black.or.white é", "green"]
        assert owner.ask("GET", f"{path}/tags").json() == {"tags": tags}
        assert owner.ask("GET", f"{path}/tags/red").status == 204
        assert owner.ask("DELETE", f"{path}/tags/red").status == 204
        gone = owner.ask("GET", f"{path}/tags/red")
        assert (gone.status, error_of(gone)["type"]) == (404, "TagNotFound")
        assert owner.ask("DELETE", f"{path}/tags/red").status == 404
        assert owner.ask("DELETE", f"{path}/tags").status == 204
        assert owner.ask("GET", f"{path}/tags").json() == {"tags": []}


def test_a_change_of_tags_raises_the_revision_and_nothing_else(demo: NetworkApi) -> None:
    before = demo.create("network", name="n")
    demo.ask("PUT", f"networks/{before['id']}/tags", {"tags": ["red"]})
    after = demo.show("network", before["id"])
    revision = before["revision_number"] + 1
    assert after == before | {
        "tags": ["red"], "revision_number": revision, "updated_at": after["updated_at"],
    }  # fmt: skip
    demo.ask("PUT", f"networks/{before['id']}/tags/red")
    assert demo.show("network", before["id"])["revision_number"] == revision, "as it was"
    assert demo.update("network", before["id"], name="m")["tags"] == ["red"], "they stay"


def test_lists_are_filtered_by_tags(demo: NetworkApi) -> None:
    tagged = {"a": ["red"], "b": ["red", "blue"], "c": ["blue", 'x"red'], "d": ["Red"], "e": []}
    for name, tags in tagged.items():
        made = demo.create("network", name=name)
        demo.ask("PUT", f"networks/{made['id']}/tags", {"tags": tags})

    def names(query: str) -> str:
        return "".join(sorted(demo.names("network", query)))

    assert names("tags=red") == "ab", "neither part of a tag nor another case of it"
    assert names("tags=red,blue") == names("tags=red&tags=blue") == "b"
    assert names("tags-any=red,blue") == "abc"
    assert names("not-tags=red,blue") == "acde"
    assert names("not-tags-any=red,blue") == "de"
    assert names("tags=blue&not-tags=red") == "c"
    assert names("tags=x%22red") == "c"
    assert names("tags=%25") == "", "nothing stands for anything"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"tags": ["a", "a"]}, "tags: the same one twice"),
        ({"tags": [""]}, "1 to 255 characters"),
        ({"tags": ["x" * (TAG_LENGTH_MAX + 1)]}, "1 to 255 characters"),
        ({"tags": [1]}, "tags[0]: must be text"),
        ({"tags": "red"}, "tags: must be a list"),
        ({}, "tags: is required"),
        ({"tags": [], "more": 1}, "more: not known here"),
        ({"tags": [str(number) for number in range(TAGS_MAX + 1)]}, f"at most {TAGS_MAX}"),
    ],
)
def test_what_are_no_tags_is_refused(demo: NetworkApi, body: object, problem: str) -> None:
    made = demo.create("network", name="n")
    for method in ("PUT", "POST"):
        reply = demo.ask(method, f"networks/{made['id']}/tags", body)
        assert reply.status == 400
        assert problem in error_of(reply)["message"]


def test_a_thing_has_no_more_tags_than_it_may(demo: NetworkApi) -> None:
    made = demo.create("network", name="n")
    path = f"networks/{made['id']}/tags"
    assert demo.ask("PUT", path, {"tags": [str(n) for n in range(TAGS_MAX)]}).status == 200
    assert demo.ask("PUT", f"{path}/0").status == 201
    refused = demo.ask("PUT", f"{path}/one-more")
    assert (refused.status, error_of(refused)["message"]) == (
        400, f"tags: at most {TAGS_MAX}, not {TAGS_MAX + 1}",
    )  # fmt: skip
    query = "&".join(f"tags={number}" for number in range(TAGS_MAX + 1))
    assert demo.ask("GET", f"networks?{query}").status == 400


def test_only_who_may_change_a_thing_tags_it(
    site: Site, admin: NetworkApi, demo: NetworkApi
) -> None:
    reader = NetworkApi(site, "reader")
    for _, path in things(admin, demo):
        assert reader.ask("GET", f"{path}/tags").status == 200
        assert reader.ask("PUT", f"{path}/tags/red").status == 403
    hidden, seen = (admin.create("network", name="s", shared=shared) for shared in (False, True))
    assert demo.ask("GET", f"networks/{hidden['id']}/tags").status == 404
    assert demo.ask("PUT", f"networks/{hidden['id']}/tags/red").status == 404
    assert demo.ask("PUT", f"networks/{seen['id']}/tags/red").status == 403
    assert demo.ask("PUT", f"networks/{NOBODY}/tags/red").status == 404
    assert demo.ask("GET", f"routers/{NOBODY}/tags").status == 404, "there is no such kind"


def test_ports_are_tagged_as_they_are_made(demo: NetworkApi) -> None:
    network = demo.create("network", name="n")
    made = demo.create("port", network_id=network["id"], tags=["red", "blue"])
    assert demo.show("port", made["id"])["tags"] == ["red", "blue"]
    refused = demo.create("port", 400, network_id=network["id"], tags=[""])
    assert refused["message"].startswith("tags: ")


def test_lists_are_filtered_by_when_things_changed(site: Site, demo: NetworkApi) -> None:
    old = demo.create("network", name="old")
    assert isinstance(site.svc.clock, ManualClock)
    site.svc.clock.advance(300)
    demo.create("network", name="new")
    (new,) = demo.all("network", "name=new")
    assert demo.names("network", f"changed_since={new['updated_at']}") == ["new"]
    assert demo.names("network", f"changed_since={old['updated_at']}&sort_key=name") == [
        "new", "old",
    ]  # fmt: skip
    for wrong in ("yesterday", "0001-01-01T00:00:00%2B23:00"):
        refused = demo.ask("GET", f"networks?changed_since={wrong}")
        assert error_of(refused)["message"].startswith("changed_since: must be a time")
