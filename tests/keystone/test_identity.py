"""Asking a Keystone that answers, refuses, keeps silent or talks nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from tests.support.clock import ManualClock
from tests.support.stand_in_keystone import StandIn, a_stand_in, asking, token_body, utc
from tests.support.waiting import wait_until
from trunkline.domain.errors import Forbidden, IdentityUnavailable, Unauthenticated
from trunkline.keystone import service_login
from trunkline.keystone.connections import AWAY_SECONDS, Connections
from trunkline.keystone.identity import Keystone
from trunkline.keystone.service_login import (
    ApplicationCredentialLogin,
    LoginRefused,
    ServiceToken,
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def stand_in(clock: ManualClock) -> Iterator[StandIn]:
    with a_stand_in(clock) as serving:
        serving.tokens["alice's"] = token_body("alice")
        yield serving


@pytest.fixture
def keystone(stand_in: StandIn, clock: ManualClock) -> Iterator[Keystone]:
    with asking(stand_in.url, clock) as opened:
        yield opened


def test_an_answer_is_asked_for_once_and_then_known_until_its_time_is_over(
    stand_in: StandIn, keystone: Keystone, clock: ManualClock
) -> None:
    assert keystone.find_caller("alice's") is None
    assert keystone.ask("alice's").user_name == "alice"
    clock.advance(59)
    known = keystone.find_caller("alice's")
    assert known is not None
    assert known.user_name == "alice"
    assert stand_in.counts["validate"] == 1
    clock.advance(1)
    assert keystone.find_caller("alice's") is None


def test_a_token_that_expires_between_two_validations_is_refused(
    stand_in: StandIn, keystone: Keystone, clock: ManualClock
) -> None:
    ends = clock.now() + timedelta(seconds=5)
    stand_in.tokens["short"] = token_body(expires_at=utc(ends))
    keystone.ask("short")
    clock.advance(4.9)
    assert keystone.find_caller("short") is not None
    clock.advance(0.1)
    assert keystone.find_caller("short") is None
    with pytest.raises(Unauthenticated):  # By our own clock, should Keystone's be late.
        keystone.ask("short")


def test_a_refusal_is_known_too_and_soon_forgotten(
    stand_in: StandIn, keystone: Keystone, clock: ManualClock
) -> None:
    with pytest.raises(Unauthenticated):
        keystone.ask("made-up")
    with pytest.raises(Unauthenticated):
        keystone.find_caller("made-up")
    assert stand_in.counts["validate"] == 1
    clock.advance(10)
    assert keystone.find_caller("made-up") is None


def test_a_domains_token_is_forbidden_each_time(stand_in: StandIn, keystone: Keystone) -> None:
    stand_in.tokens["domain's"] = token_body(project=None, domain={"id": "default"})
    for ask in (keystone.ask, keystone.find_caller):
        with pytest.raises(Forbidden, match="for a domain"):
            ask("domain's")


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "é", "x" * 8193, "\x00"])
def test_what_can_be_no_token_is_refused_unasked(
    stand_in: StandIn, keystone: Keystone, token: str
) -> None:
    with pytest.raises(Unauthenticated):
        keystone.find_caller(token)
    assert not stand_in.counts


def test_no_more_than_one_login_serves_many_validations(
    stand_in: StandIn, keystone: Keystone
) -> None:
    stand_in.tokens |= {f"t{number}": token_body() for number in range(40)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keystone.ask, stand_in.tokens))
    assert stand_in.counts == {"login": 1, "validate": 41}


def test_the_services_own_token_is_renewed_before_it_expires(
    stand_in: StandIn, keystone: Keystone, clock: ManualClock
) -> None:
    keystone.ask("alice's")
    clock.advance(stand_in.own_seconds - service_login.RENEW_SECONDS - 1)
    keystone.ask("alice's")
    assert stand_in.counts["login"] == 1
    clock.advance(1)
    keystone.ask("alice's")
    assert stand_in.counts["login"] == 2


def test_a_renewal_that_fails_leaves_the_token_in_use_until_it_expires(
    stand_in: StandIn, keystone: Keystone, clock: ManualClock
) -> None:
    keystone.ask("alice's")
    stand_in.password = "another one by now"
    clock.advance(stand_in.own_seconds - 1)
    assert keystone.ask("alice's").user_name == "alice"
    clock.advance(1)
    with pytest.raises(LoginRefused):
        keystone.ask("alice's")


def test_an_own_token_that_keystone_no_longer_takes_is_replaced_at_once(
    stand_in: StandIn, keystone: Keystone
) -> None:
    keystone.ask("alice's")
    stand_in.own_tokens.clear()  # As by a rotation of its keys.
    assert keystone.ask("alice's").user_name == "alice"
    assert stand_in.counts["login"] == 2


def test_an_application_credential_logs_in_as_well(stand_in: StandIn, clock: ManualClock) -> None:
    connections = Connections(stand_in.url + "/v3/", ca_file=None, seconds_max=30)
    login = ApplicationCredentialLogin(id="a1", secret=stand_in.password)
    own = ServiceToken(connections, login, clock, public_url="http://keystone")
    keystone = Keystone(connections, own, clock, public_url="http://keystone/v3", cache_seconds=60)
    with closing(keystone):
        assert keystone.ask("alice's").user_name == "alice"
    assert keystone.url == "http://keystone"
    assert "secret" not in repr(login)


def test_a_credential_that_is_refused_is_not_tried_again_and_again(
    stand_in: StandIn, clock: ManualClock
) -> None:
    with asking(stand_in.url, clock, password="wrong") as keystone:
        for _ in range(5):
            with pytest.raises(LoginRefused, match=r"an operator can mend \[keystone\]"):
                keystone.ask("alice's")
        assert stand_in.counts["login"] == 1
        stand_in.password = "wrong"
        clock.advance(service_login.REFUSED_PAUSE_SECONDS)
        assert keystone.ask("alice's").user_name == "alice"


def test_a_service_user_without_the_right_to_ask_is_told_what_it_lacks(
    stand_in: StandIn, keystone: Keystone
) -> None:
    stand_in.may_validate = False
    with pytest.raises(IdentityUnavailable, match="needs the role service or admin"):
        keystone.ask("alice's")


@pytest.mark.parametrize(
    "says", [(500, b"{}"), (503, b""), (400, b"{}"), (302, b""), (200, b"<html>"), (200, b"{}")]
)
def test_an_answer_that_tells_nothing_of_the_token_is_no_refusal_of_it(
    stand_in: StandIn, keystone: Keystone, says: tuple[int, bytes]
) -> None:
    stand_in.says = says
    for _ in range(2):
        with pytest.raises(IdentityUnavailable, match=stand_in.url):
            keystone.ask("alice's")
    assert stand_in.counts["validate"] == 2
    stand_in.says = None
    assert keystone.ask("alice's").user_name == "alice"


def test_tokens_that_are_known_go_on_while_keystone_is_away_and_others_wait_for_it(
    stand_in: StandIn, keystone: Keystone, clock: ManualClock
) -> None:
    keystone.ask("alice's")
    with a_stand_in() as gone:
        pass
    with asking(gone.url, clock) as lost, capture_logs() as logs:
        lost._cache = keystone._cache
        assert lost.find_caller("alice's") is not None
        for _ in range(20):
            with pytest.raises(IdentityUnavailable, match=f"{gone.url} .*connection refused"):
                lost.ask("bob's")
        assert [line["event"] for line in logs] == ["keystone does not answer"]
        clock.advance(60)
        assert lost.find_caller("alice's") is None


def test_silence_costs_those_who_wait_no_more_than_one_time_limit_each(
    stand_in: StandIn, clock: ManualClock
) -> None:
    with asking(stand_in.url, clock, seconds_max=0.5) as keystone:
        keystone.log_in()
        stand_in.may_answer.clear()
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(keystone.ask, f"t{number}") for number in range(60)]
            assert all(isinstance(one.exception(30), IdentityUnavailable) for one in asked)
        assert stand_in.counts["validate"] <= 8, "those behind the first four were not sent"
        stand_in.may_answer.set()

        def answers() -> bool:
            try:
                return keystone.ask("alice's").user_name == "alice"
            except IdentityUnavailable:
                return False

        wait_until(answers, "Keystone is asked again", seconds=AWAY_SECONDS + 20)


def test_no_token_or_password_reaches_the_log(stand_in: StandIn, clock: ManualClock) -> None:
    with capture_logs() as logs:
        with (
            asking(stand_in.url, clock, password="wrong-secret") as keystone,
            pytest.raises(LoginRefused),
        ):
            keystone.ask("subject-secret")
        stand_in.says = 500, b"subject-secret"
        with (
            asking(stand_in.url, clock) as keystone,
            pytest.raises(IdentityUnavailable) as refused,
        ):
            keystone.ask("subject-secret")
    assert logs
    assert "secret" not in str(logs) + str(refused.value)
