"""The metrics that Prometheus scrapes."""

from __future__ import annotations

import re
from typing import Any

from tests.support.http_app import Site
from tests.support.network_api import NetworkApi


def reading(site: Site, series: str) -> float:
    text = site.http.request("GET", "/metrics").body.decode()
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def test_a_change_is_counted_once_it_is_durable_and_a_refused_one_never(site: Site) -> None:
    series = 'trunkline_changes_total{action="network.create"}'
    before = reading(site, series)
    admin = NetworkApi(site, "admin")
    blue: dict[str, Any] = {
        "name": "blue",
        "provider:network_type": "vlan",
        "provider:physical_network": "phy1",
        "provider:segmentation_id": 100,
    }
    admin.create("network", **blue)
    assert reading(site, series) == before + 1
    admin.create("network", expect=409, **blue)
    assert reading(site, series) == before + 1


def test_requests_are_counted_by_face_and_status(site: Site) -> None:
    series = 'trunkline_http_request_seconds_count{face="network",method="GET",status="401"}'
    before = reading(site, series)
    assert site.http.request("GET", "/network/v2.0/networks").status == 401
    assert reading(site, series) == before + 1
