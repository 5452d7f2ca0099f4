"""What is known of tokens, for how long, and how much of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.world import a_caller
from trunkline.domain.identity import Caller
from trunkline.keystone import cache
from trunkline.keystone.answers import Unusable
from trunkline.keystone.cache import AnswerCache, digest_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ALICE = a_caller("alice")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def one_that_ends(seconds: float) -> Caller:
    return replace(ALICE, expires_at=after(seconds))


def test_an_answer_counts_for_as_long_as_it_is_to_be_kept() -> None:
    kept = AnswerCache(60)
    kept.keep(digest_of("t"), ALICE, NOW)
    assert kept.find(digest_of("t"), after(59.9)) is ALICE
    assert kept.find(digest_of("other"), NOW) is None
    assert kept.find(digest_of("t"), after(60)) is None


def test_no_answer_outlives_the_token_itself() -> None:
    kept = AnswerCache(60)
    caller = one_that_ends(5)
    kept.keep(digest_of("t"), caller, NOW)
    assert kept.find(digest_of("t"), after(4.9)) is caller
    assert kept.find(digest_of("t"), after(5)) is None


def test_a_refusal_is_kept_for_a_moment() -> None:
    kept = AnswerCache(60)
    kept.keep(digest_of("t"), Unusable.INVALID, NOW)
    assert kept.find(digest_of("t"), after(cache.UNUSABLE_SECONDS - 0.1)) is Unusable.INVALID
    assert kept.find(digest_of("t"), after(cache.UNUSABLE_SECONDS)) is None


def test_with_no_time_to_keep_anything_nothing_is_kept() -> None:
    kept = AnswerCache(0)
    for answer in (ALICE, Unusable.INVALID):
        kept.keep(digest_of("t"), answer, NOW)
        assert kept.find(digest_of("t"), NOW) is None


def test_a_clock_that_is_put_back_makes_no_answer_last_longer() -> None:
    kept = AnswerCache(60)
    kept.keep(digest_of("t"), ALICE, NOW)
    assert kept.find(digest_of("t"), after(-1)) is None


def test_a_newer_answer_takes_the_place_of_an_older_one() -> None:
    kept = AnswerCache(60)
    kept.keep(digest_of("t"), ALICE, NOW)
    kept.keep(digest_of("t"), Unusable.INVALID, NOW)
    assert kept.find(digest_of("t"), NOW) is Unusable.INVALID
    kept.keep(digest_of("t"), ALICE, NOW)
    assert kept.find(digest_of("t"), NOW) is ALICE


def test_made_up_tokens_push_out_none_that_are_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "CALLERS_KEPT_MAX", 3)
    monkeypatch.setattr(cache, "UNUSABLE_KEPT_MAX", 2)
    kept = AnswerCache(60)
    for number in range(3):
        kept.keep(digest_of(f"good-{number}"), ALICE, NOW)
    for number in range(5):
        kept.keep(digest_of(f"bad-{number}"), Unusable.INVALID, NOW)
    assert all(kept.find(digest_of(f"good-{number}"), NOW) for number in range(3))
    assert [n for n in range(5) if kept.find(digest_of(f"bad-{n}"), NOW)] == [3, 4]
    kept.find(digest_of("good-0"), NOW)  # The one used longest ago is now good-1.
    kept.keep(digest_of("good-3"), ALICE, NOW)
    assert [n for n in range(4) if kept.find(digest_of(f"good-{n}"), NOW)] == [0, 2, 3]
