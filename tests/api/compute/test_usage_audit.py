"""Nova's audit of usage, which none runs here; and IDs that got lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as site:
        yield site


def test_an_id_that_got_lost_does_not_mean_all(scene: ComputeSite) -> None:
    for path in ("/os-simple-tenant-usage/", "/servers/", "/flavors/"):
        assert scene.call("GET", path, user="admin").status == 404, path


def test_the_audit_is_said_to_have_run_on_no_host(scene: ComputeSite) -> None:
    log = scene.call("GET", "/os-instance_usage_audit_log", user="admin").json()
    shown = log["instance_usage_audit_logs"]
    assert (shown["hosts_not_run"], shown["num_hosts_done"]) == (["h1", "h2"], 0)
    path = "/os-instance_usage_audit_log/2026-01-02%2010:30:00"
    shown = scene.call("GET", path, user="admin").json()["instance_usage_audit_log"]
    assert shown["period_beginning"] == "2026-01-02 09:00:00"
    assert shown["period_ending"] == "2026-01-02 10:00:00"
    bad = scene.call("GET", "/os-instance_usage_audit_log/soon", user="admin")
    assert bad.status == 400
    assert scene.call("GET", path).status == 403


@pytest.mark.parametrize("before", ["0001-01-01", "0001-01-01T00:59:59", "0001-01-01T05:00+14:00"])
def test_before_the_first_hour_there_is_nothing_to_audit(scene: ComputeSite, before: str) -> None:
    path = f"/os-instance_usage_audit_log/{before.replace('+', '%2B')}"
    reply = scene.call("GET", path, user="admin")
    assert (reply.status, "before" in reply.json()["badRequest"]["message"]) == (400, True)
