"""Forgetting old rows: what must go, what must stay, who does it, and in what portions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from tests.control.scene import Scene, on
from tests.support.clock import ManualClock
from tests.support.world import ADMIN, DEMO
from trunkline.control import purging
from trunkline.control.events import list_events
from trunkline.control.purging import LEASE, purge
from trunkline.control.servers import list_servers
from trunkline.domain.identity import User
from trunkline.domain.ids import RoleTarget, ServerId, UserId
from trunkline.domain.listing import ListQuery
from trunkline.domain.server_filter import ServerFilter
from trunkline.store.metadata import metadata
from trunkline.store.tokens import TokenRecord
from trunkline.store.transaction import Transaction

DAY = timedelta(days=1)


def pass_time(scene: Scene, by: timedelta) -> None:
    assert isinstance(scene.svc.clock, ManualClock)
    scene.svc.clock.advance(by.total_seconds())
    for agent in scene.agents.values():
        agent.report()


def deleted(scene: Scene) -> set[ServerId]:
    views = list_servers(
        scene.svc, ADMIN, ListQuery(), ServerFilter(deleted=True), all_projects=True
    )
    return {view.server.id for view in views}


def come_and_gone(scene: Scene) -> ServerId:
    """Boot a server and delete it, its device read back clean."""
    view = scene.boot(on(scene.blue))
    assert view.host is not None
    scene.settle(view.server.id)
    scene.delete(view.server.id)
    scene.clean(view.host.name)
    return view.server.id


def test_servers_deleted_long_ago_are_forgotten_and_no_others(scene: Scene) -> None:
    old = come_and_gone(scene)
    kept_days = scene.svc.limits.deleted_servers_kept_days
    living = scene.boot(on(scene.blue)).server.id
    pass_time(scene, kept_days * DAY)
    recent = come_and_gone(scene)
    purge(scene.svc, holder="a")
    assert deleted(scene) == {old, recent}  # Exactly as old as is kept.
    pass_time(scene, timedelta(seconds=1))
    purge(scene.svc, holder="a")
    assert deleted(scene) == {recent}
    assert [v.server.id for v in list_servers(scene.svc, DEMO, ListQuery())] == [living]
    scene.index_agrees()


def test_a_deleted_server_is_kept_while_its_host_has_not_given_its_device_back(
    scene: Scene,
) -> None:
    view = scene.boot(on(scene.blue))
    assert view.host is not None
    scene.settle(view.server.id)
    scene.delete(view.server.id)
    pass_time(scene, 1000 * DAY)
    purge(scene.svc, holder="a")
    assert deleted(scene) == {view.server.id}
    assert len(scene.devices("releasing")) == 1
    scene.clean(view.host.name)
    purge(scene.svc, holder="a")
    assert deleted(scene) == set()


def test_old_events_are_forgotten_the_oldest_first_in_portions(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "BATCH_ROWS_MAX", 2)
    come_and_gone(scene)
    come_and_gone(scene)
    before = len(list_events(scene.svc, ADMIN, ListQuery()))
    assert before > 10
    pass_time(scene, scene.svc.limits.events_kept_days * DAY + timedelta(seconds=1))
    scene.boot(on(scene.red))
    told = purge(scene.svc, holder="a")
    assert told is not None
    assert told["events"] == before
    events = list_events(scene.svc, ADMIN, ListQuery())
    assert {event.at for event in events} == {scene.svc.clock.now()}
    assert "server.create" in {event.action for event in events}


def test_expired_tokens_are_forgotten(scene: Scene) -> None:
    now = scene.svc.clock.now()
    token = TokenRecord(
        token_hash="old", user_id=UserId("u"), target=RoleTarget("p"), issued_at=now,
        expires_at=now, methods=("password",), audit_id="a",
    )  # fmt: skip

    def issue(tx: Transaction) -> None:
        tx.identity.insert_user(User(id=UserId("u"), name="u", password_hash="x"))
        tx.tokens.insert(token)
        tx.tokens.insert(replace(token, token_hash="new", expires_at=now + DAY))

    scene.svc.store.write(issue)
    pass_time(scene, timedelta(seconds=1))
    purge(scene.svc, holder="a")
    assert not scene.svc.store.read(lambda tx: tx.tokens.find("old"))
    assert scene.svc.store.read(lambda tx: tx.tokens.find("new"))


def test_of_two_replicas_one_purges_until_its_lease_runs_out(scene: Scene) -> None:
    come_and_gone(scene)
    assert purge(scene.svc, holder="a") is not None
    assert purge(scene.svc, holder="b") is None
    pass_time(scene, LEASE - timedelta(seconds=1))
    assert purge(scene.svc, holder="a") is not None  # Renews it.
    pass_time(scene, LEASE - timedelta(seconds=1))
    assert purge(scene.svc, holder="b") is None
    pass_time(scene, timedelta(seconds=1))
    assert purge(scene.svc, holder="b") is not None
    assert purge(scene.svc, holder="a") is None


def test_no_table_grows_with_servers_that_came_and_went_long_ago(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "CHANGES_KEPT", 5)

    def years_pass() -> dict[str, int]:
        pass_time(scene, 1000 * DAY)
        purge(scene.svc, holder="a")
        return scene.svc.store.read(row_counts)

    come_and_gone(scene)
    few = years_pass()
    for _ in range(10):
        come_and_gone(scene)
    assert years_pass() == few


def row_counts(tx: Transaction) -> dict[str, int]:
    connection = tx._connection
    return {
        table.name: connection.scalar(select(func.count()).select_from(table)) or 0
        for table in metadata.sorted_tables
    }
