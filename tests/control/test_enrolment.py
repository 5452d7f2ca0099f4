"""Who may enrol a host: by a token, once and in time, or by the key that all hosts share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.support.world import ADMIN, DEMO
from trunkline.control.enrolment import (
    create_enrolment_token,
    enrol_host,
    host_by_token,
    list_enrolment_tokens,
    revoke_enrolment_token,
    set_enrolment_key,
)
from trunkline.control.events import list_events
from trunkline.control.purging import purge
from trunkline.control.services import Services
from trunkline.domain.errors import Forbidden, Invalid, NotFound, Unauthenticated
from trunkline.domain.ids import HostName
from trunkline.domain.listing import ListQuery

H1, H2 = HostName("h1"), HostName("h2")
DAY = timedelta(days=1)
CREDENTIAL = "c" * 43


def a_token(svc: Services, host: HostName | None = None, lifetime: timedelta = DAY) -> str:
    return create_enrolment_token(svc, ADMIN, host=host, lifetime=lifetime)[1]


def refusal(svc: Services, name: HostName, text: str, credential: str | None = None) -> str:
    with pytest.raises(Unauthenticated) as refused:
        enrol_host(svc, name, text, token=credential)
    return str(refused.value)


def test_a_token_gives_one_host_a_credential_of_its_own(svc: Services) -> None:
    credential = enrol_host(svc, H1, a_token(svc))
    assert host_by_token(svc, credential) == H1
    [kept] = list_enrolment_tokens(svc, ADMIN)
    assert (kept.state(svc.clock.now()), kept.used_by) == ("used", H1)


def test_a_token_is_good_once(svc: Services) -> None:
    text = a_token(svc)
    enrol_host(svc, H1, text)
    assert "was used already" in refusal(svc, H2, text)
    assert "enrolled already" in refusal(svc, H1, text)


def test_a_token_for_one_host_enrols_no_other(svc: Services) -> None:
    text = a_token(svc, H1)
    assert "is for host h1, not for h2" in refusal(svc, H2, text)
    assert host_by_token(svc, enrol_host(svc, H1, text)) == H1


def test_a_token_for_any_host_takes_over_none_that_is_enrolled(svc: Services) -> None:
    first = enrol_host(svc, H1, a_token(svc))
    assert "only a token that was made for it" in refusal(svc, H1, a_token(svc))
    assert host_by_token(svc, first) == H1
    second = enrol_host(svc, H1, a_token(svc, H1))
    assert host_by_token(svc, second) == H1
    with pytest.raises(Unauthenticated):
        host_by_token(svc, first)


def test_a_question_whose_answer_got_lost_may_be_asked_again(svc: Services) -> None:
    text = a_token(svc)
    assert enrol_host(svc, H1, text, token=CREDENTIAL) == CREDENTIAL
    assert enrol_host(svc, H1, text, token=CREDENTIAL) == CREDENTIAL
    assert host_by_token(svc, CREDENTIAL) == H1
    refusal(svc, H1, text, "d" * 43)
    refusal(svc, H2, text, CREDENTIAL)


def test_a_token_expires(svc: Services) -> None:
    text = a_token(svc, lifetime=timedelta(seconds=1))
    svc.clock.advance(2)  # type: ignore[attr-defined]  # The tests' clock moves.
    assert "expired at" in refusal(svc, H1, text)
    assert [each.state(svc.clock.now()) for each in list_enrolment_tokens(svc, ADMIN)] == [
        "expired"
    ]


def test_a_revoked_token_is_worthless_and_the_host_that_used_one_stays(svc: Services) -> None:
    token, text = create_enrolment_token(svc, ADMIN, host=None, lifetime=DAY)
    revoke_enrolment_token(svc, ADMIN, token.id)
    assert "neither the enrolment key nor an enrolment token" in refusal(svc, H1, text)
    used, text = create_enrolment_token(svc, ADMIN, host=None, lifetime=DAY)
    credential = enrol_host(svc, H1, text)
    revoke_enrolment_token(svc, ADMIN, used.id)
    assert host_by_token(svc, credential) == H1
    with pytest.raises(NotFound):
        revoke_enrolment_token(svc, ADMIN, used.id)


def test_the_key_that_all_hosts_share_enrols_any_until_it_is_taken_away(svc: Services) -> None:
    set_enrolment_key(svc, "k" * 40)
    assert host_by_token(svc, enrol_host(svc, H1, "k" * 40)) == H1
    assert host_by_token(svc, enrol_host(svc, H1, "k" * 40)) == H1
    set_enrolment_key(svc, None)
    refusal(svc, H1, "k" * 40)
    refusal(svc, H1, "")


def test_tokens_are_for_admins_and_last_no_longer_than_a_month(svc: Services) -> None:
    with pytest.raises(Forbidden):
        create_enrolment_token(svc, DEMO, host=None, lifetime=DAY)
    with pytest.raises(Forbidden):
        list_enrolment_tokens(svc, DEMO)
    with pytest.raises(Forbidden):
        revoke_enrolment_token(svc, DEMO, "x")
    for lifetime in (timedelta(0), timedelta(days=31)):
        with pytest.raises(Invalid, match="ttl_seconds"):
            a_token(svc, lifetime=lifetime)
    with pytest.raises(Invalid, match="host name"):
        a_token(svc, HostName("a\nb"))


def test_who_let_a_host_in_is_in_the_audit_trail(svc: Services) -> None:
    token, text = create_enrolment_token(svc, ADMIN, host=H1, lifetime=DAY)
    enrol_host(svc, H1, text)
    events = {event.action: event for event in list_events(svc, ADMIN, ListQuery())}
    assert events["enrolment_token.create"].host == H1
    assert events["host.enrol"].details == {"by": f"enrolment token {token.id}"}
    assert text not in repr(events)


def test_of_two_hosts_that_use_one_token_at_once_one_enrols(replicas: list[Services]) -> None:
    text = a_token(replicas[0])
    names = [HostName(f"h{n}") for n in range(6)]

    def enrol(at: int) -> bool:
        try:
            enrol_host(replicas[at % len(replicas)], names[at], text)
        except Unauthenticated:
            return False
        return True

    with ThreadPoolExecutor(len(names)) as pool:
        assert sum(pool.map(enrol, range(len(names)))) == 1


def test_tokens_that_expired_long_ago_are_forgotten(svc: Services) -> None:
    a_token(svc)
    svc.clock.advance(200 * DAY.total_seconds())  # type: ignore[attr-defined]  # As above.
    purge(svc, holder="test")
    assert list_enrolment_tokens(svc, ADMIN) == []
