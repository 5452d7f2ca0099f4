"""What Keystone's answers about tokens are read as."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.stand_in_keystone import DEFAULT_DOMAIN, token_body
from trunkline.domain.access_rules import AccessMethod
from trunkline.domain.errors import Forbidden, Unauthenticated
from trunkline.domain.identity import Caller
from trunkline.keystone.answers import Unusable, read_token

CORP = {"id": "3f1d", "name": "corp"}


def read(*roles: str, **fields: object) -> Caller | Unusable:
    return read_token(json.dumps(token_body("alice", *roles, **fields)).encode())


def a_caller(*roles: str, **fields: object) -> Caller:
    found = read(*roles, **fields)
    assert isinstance(found, Caller)
    return found


def test_a_projects_token_speaks_for_user_project_and_roles() -> None:
    caller = a_caller("member", "reader", "netops")
    assert (caller.user_id, caller.user_name) == ("alice-id", "alice")
    assert (caller.project_id, caller.project_name) == ("demo-id", "demo")
    assert caller.roles == {"member", "reader", "netops"}
    assert not caller.is_system
    assert caller.expires_at is not None


def test_a_systems_token_speaks_for_no_project() -> None:
    caller = a_caller("admin", project=None, system={"all": True})
    assert (caller.is_system, caller.project_id, "admin" in caller.roles) == (True, None, True)


@pytest.mark.parametrize(
    ("fields", "unusable"),
    [
        ({"project": None, "roles": None}, Unusable.UNSCOPED),
        ({"project": None, "system": {"all": False}}, Unusable.UNSCOPED),
        ({"project": None, "domain": DEFAULT_DOMAIN}, Unusable.OF_A_DOMAIN),
        ({"is_domain": True}, Unusable.OF_A_DOMAIN),
    ],
)
def test_a_token_for_neither_a_project_nor_the_system_is_of_no_use(
    fields: dict[str, object], unusable: Unusable
) -> None:
    assert read(**fields) is unusable
    assert isinstance(unusable.error, Forbidden)
    assert isinstance(Unusable.INVALID.error, Unauthenticated)


def test_admin_of_a_project_that_is_not_the_clouds_admins_own_is_no_admin() -> None:
    assert "admin" not in a_caller("admin", "member", is_admin_project=False).roles
    assert "admin" in a_caller("admin", "member", is_admin_project=True).roles
    assert "admin" in a_caller("admin", "member").roles


def by_a_credential(*rules: dict[str, str]) -> dict[str, object]:
    return {"id": "c", "name": "ci", "restricted": True, "access_rules": list(rules)}


def test_access_rules_come_with_the_token() -> None:
    rule = {"id": "r", "service": "compute", "method": "GET", "path": "/v2.1/**"}
    odd = [{**rule, "path": "/{id"}, {**rule, "method": "TRACE"}]
    caller = a_caller(application_credential=by_a_credential(rule, *odd))
    assert [each.what for each in caller.access_rules] == [
        ("compute", AccessMethod.GET, "/v2.1/**")
    ]
    plain = {"id": "c", "name": "ci", "restricted": True}
    assert a_caller(application_credential=plain).access_rules == ()
    assert a_caller().access_rules == ()
    for none in ((), odd):  # No rule that allows anything must not mean that there is none.
        assert read(application_credential=by_a_credential(*none)) is Unusable.INVALID


def test_names_of_other_domains_than_the_default_one_say_their_domain() -> None:
    caller = a_caller(
        user={"id": "u", "name": "alice", "domain": CORP},
        project={"id": "p", "name": "demo", "domain": CORP},
    )
    assert (caller.user_name, caller.project_name) == ("alice@corp", "demo@corp")


def test_a_name_of_any_length_fits_into_the_audit_trail() -> None:
    caller = a_caller(user={"id": "u", "name": "é" * 255, "domain": CORP})
    assert len(f"user {caller.user_name}") <= 255


@pytest.mark.parametrize(
    "fields",
    [
        {"user": None},
        {"user": {"id": "x" * 65, "name": "a", "domain": DEFAULT_DOMAIN}},
        {"user": {"id": "", "name": "a", "domain": DEFAULT_DOMAIN}},
        {"project": {"id": "x" * 65, "name": "a", "domain": DEFAULT_DOMAIN}},
        {"expires_at": None},
        {"expires_at": "2036-01-01T00:00:00"},
        {"expires_at": "soon"},
        {"roles": [{"id": "nameless"}]},
    ],
)
def test_what_is_no_answer_about_a_token_is_refused(fields: dict[str, object]) -> None:
    body = json.dumps(token_body("alice", **fields)).encode()
    with pytest.raises(ValueError):
        read_token(body)


@given(st.binary() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["token", "user", "project", "domain", "roles", "expires_at", "system"]),
        inner,
    ),
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_answer_is_read_or_refused(body: bytes) -> None:
    with suppress(ValueError):
        read_token(body)
