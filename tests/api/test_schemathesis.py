"""Schemathesis against every route: what it makes of a description of them is served or refused.

Its coverage phase tries each limit and type of each parameter and field by itself, in an order of
its own; its fuzzing phase draws right requests and wrong ones. `make fuzz-api` has it draw more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok

from tests.api.described import SomeThings, describe
from tests.support.http_app import Reply, Site, a_site
from tests.support.world import PHY1, AgentByHand, a_card
from trunkline.api.routes import ROUTES

pytestmark = pytest.mark.slow

SCHEMA = schemathesis.openapi.from_dict(describe(ROUTES))
OPERATIONS = {
    found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)
}
EXAMPLES = max(3, settings().max_examples // 25)  # Of each route, right ones and wrong ones each.
IS_LONG = settings().max_examples > 100
# Some routes have thousands; a hundred of each route took a quarter of an hour.
COVERAGE_CASES_MAX = 5_000 if IS_LONG else 15
# The coverage phase makes wrong ones too; to draw those takes Schemathesis seconds for each route.
MODES = GenerationMode if IS_LONG else [GenerationMode.POSITIVE]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("described")) as opened:
        AgentByHand(opened.svc, "h1", a_card(5, PHY1, vf_count=8))
        yield opened


@pytest.fixture(scope="module")
def things(site: Site) -> SomeThings:
    return SomeThings(site)


@pytest.fixture(scope="module")
def token(site: Site) -> str:
    return site.token("admin")


def send(site: Site, things: SomeThings, token: str, case: Case[Any]) -> Reply:
    """Send what a case says, as its own transport would, with a token."""
    prepared = requests.Request(
        **{
            name: value
            for name, value in case.as_transport_kwargs(base_url="http://127.0.0.1").items()
            if name in ("method", "url", "headers", "params", "json", "data", "cookies", "files")
        }
    ).prepare()
    assert prepared.method is not None
    assert prepared.url is not None
    parts = urlsplit(things.in_place(prepared.url))
    body = prepared.body or b""
    assert isinstance(body, str | bytes)
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    headers = {
        str(name): str(value)
        for name, value in prepared.headers.items()
        if name.lower() not in ("content-length", "transfer-encoding", "x-auth-token")
    }
    if prepared.method == "PATCH" and parts.path.startswith("/image/"):
        headers["Content-Type"] = "application/openstack-images-v2.1-json-patch"  # Glance's alone.
    return site.http.request(
        prepared.method,
        f"{parts.path}?{parts.query}",
        token=token,
        raw=things.in_place(raw.decode("latin-1")).encode("latin-1"),
        headers=headers,
    )


def check(reply: Reply) -> None:
    assert reply.status < 500 or reply.status == 501, reply
    assert b"Traceback" not in reply.body
    if reply.status in (400, 404, 409, 413, 415) and reply.body:
        assert json.loads(reply.body), "and says why"


@pytest.mark.parametrize("label", OPERATIONS)
def test_each_limit_and_type_by_itself_is_served_or_refused(
    site: Site, things: SomeThings, token: str, label: str
) -> None:
    cases = SCHEMA.iter_coverage_cases(
        OPERATIONS[label],
        generation_modes=list(GenerationMode),
        generation_config=SCHEMA.config.generation,
    )
    for case in islice(cases, COVERAGE_CASES_MAX):
        check(send(site, things, token, case))


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: str(mode.value))
@pytest.mark.parametrize("label", OPERATIONS)
def test_what_is_drawn_from_the_description_is_served_or_refused(
    site: Site, things: SomeThings, token: str, label: str, mode: GenerationMode
) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(case=OPERATIONS[label].as_strategy(generation_mode=mode))
    def draw(case: Case[Any]) -> None:
        check(send(site, things, token, case))

    try:
        draw()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "nothing about it can be wrong"
