"""The words for rules over NICs."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.domain.errors import Invalid
from trunkline.domain.nic_rules import (
    AFFINITY_KEY,
    ANTI_AFFINITY_KEY,
    TEXT_LENGTH_MAX,
    Naming,
    NicName,
    NicRule,
    Scope,
    parse_rules,
)


def read(text: str, key: str = AFFINITY_KEY) -> list[tuple[str, bool, bool, list[str]]]:
    return [
        (rule.scope.value, rule.apart, rule.hard, [str(name) for name in rule.nics])
        for rule in parse_rules(key, text, field="hint")
    ]


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("pf", [("pf", False, True, [])]),
        ("pf:hard", [("pf", False, True, [])]),
        ("card:soft", [("card", False, False, [])]),
        ("numa:0,1", [("numa", False, True, ["0", "1"])]),
        ("switch:soft:00,port=p 2", [("switch", False, False, ["0", "port=p 2"])]),
        ("pf:network=blue", [("pf", False, True, ["network=blue"])]),
        ("pf:port=a=b,port=c", [("pf", False, True, ["port=a=b", "port=c"])]),
        (" pf ; numa:soft : 0 , 1", None),
        ("pf; numa:soft:0, 1 ",
         [("pf", False, True, []), ("numa", False, False, ["0", "1"])]),
    ],
)  # fmt: skip
def test_a_rule_has_a_scope_and_may_say_how_hard_it_is_and_about_which_nics(
    text: str, rules: list[tuple[str, bool, bool, list[str]]] | None
) -> None:
    if rules is None:
        with pytest.raises(Invalid):
            read(text)
    else:
        assert read(text) == rules


def test_the_key_says_together_or_apart() -> None:
    assert read("pf", AFFINITY_KEY) == [("pf", False, True, [])]
    assert read("pf", ANTI_AFFINITY_KEY) == [("pf", True, True, [])]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' in '' is no scope; there are pf, card, switch, numa"),
        ("pf;", "'' in '' is no scope"),
        ("rack", "'rack' in 'rack' is no scope; there are pf, card, switch, numa"),
        ("PF", "'PF' in 'PF' is no scope"),
        ("pf:", "'pf:' is not of the form SCOPE"),
        ("pf:hard:", "is not of the form SCOPE"),
        ("pf:hard:0,1:2", "is not of the form SCOPE"),
        ("pf:firm", "'firm' in 'pf:firm' names no NIC; write its number, counted from 0, port="),
        ("pf:0,", "'' in 'pf:0,' names no NIC"),
        ("pf:port=", "'port=' in 'pf:port=' names no NIC"),
        ("pf:nic=1,2", "'nic=1' in 'pf:nic=1,2' names no NIC"),
        ("pf:-1,2", "'-1' in 'pf:-1,2' names no NIC"),
        ("pf:1", "'pf:1' names one NIC only; name two or more, or none for all"),
        ("pf:1,01", "names one NIC only"),
        ("pf:" + "1," * TEXT_LENGTH_MAX, "has more than 1024 characters"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_with_the_remedy(text: str, problem: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(text)
    assert refused.value.field == "hint"
    assert problem in str(refused.value)


@given(st.text(alphabet="pfnuma:;,=01hardsoftportnetwork \0é", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but `Invalid` may come out."""
    with suppress(Invalid):
        read(text)


@given(
    st.sampled_from(Scope),
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(0, 15), min_size=2, max_size=16, unique=True),
)
def test_a_kept_rule_is_told_as_it_could_be_asked_for(
    scope: Scope, apart: bool, hard: bool, nics: list[int]
) -> None:
    rule = NicRule(scope=scope, apart=apart, hard=hard, nics=tuple(nics))
    key, _, text = str(rule).partition("=")
    (read_back,) = parse_rules(key, text, field="f")
    assert (read_back.scope, read_back.apart, read_back.hard) == (scope, apart, hard)
    assert read_back.nics == tuple(NicName(Naming.NUMBER, str(n)) for n in nics)
