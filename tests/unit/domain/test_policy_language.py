"""The language of rules: what is true of whom, and what is refused before anybody asks."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.world import ADMIN, DEMO, a_caller
from trunkline.domain.identity import Caller
from trunkline.domain.policy.language import CHECK_CHARS_MAX, NESTING_MAX, PolicyFault, parse
from trunkline.domain.policy.language import Check as PolicyCheck

READER = a_caller("demo", "reader")
SYSTEM = replace(ADMIN, project_id=None, project_name="", is_system=True)
CUSTOM = a_caller("demo", "Network_Admin")
OWN = {"project_id": "project-demo", "user_id": "user-demo", "network:project_id": "project-net"}
RULES = {"context_is_admin": "role:admin", "yes": "@", "no": "!"}


def checked(text: str) -> PolicyCheck:
    return parse("tried", text).compile(lambda name: checked(RULES[name]))


@pytest.mark.parametrize(
    ("text", "caller", "allowed"),
    [
        ("", READER, True),
        ("@", READER, True),
        ("!", ADMIN, False),
        ("role:reader", READER, True),
        ("role:member", READER, False),
        ("role:network_admin", CUSTOM, True),
        ("not role:member", READER, True),
        ("not not role:member", READER, False),
        ("is_admin:True", ADMIN, True),
        ("is_admin:True", DEMO, False),
        ("is_admin:False", DEMO, True),
        ("system_scope:all", SYSTEM, True),
        ("system_scope:all", ADMIN, False),
        ("project_id:%(project_id)s", DEMO, True),
        ("tenant_id:%(tenant_id)s", DEMO, True),
        ("project_id:%(project_id)s", ADMIN, False),
        ("project_id:%(project_id)s", SYSTEM, False),
        ("project_id:%(network:project_id)s", DEMO, False),
        ("project_id:project-demo", DEMO, True),
        ("user_id:%(user_id)s", READER, True),
        ("'project-demo':%(project_id)s", ADMIN, True),
        ('"project-other":%(project_id)s', ADMIN, False),
        ("rule:yes and rule:no or rule:yes", DEMO, True),
        ("rule:no and (rule:yes or rule:yes)", DEMO, False),
        ("rule:yes or rule:no and rule:no", DEMO, True),
        ("not rule:no and rule:no", DEMO, False),
        ("(role:member AND project_id:%(project_id)s) Or rule:no", DEMO, True),
        ("((role:member))", DEMO, True),
    ],
)
def test_what_a_check_says_of_whom(text: str, caller: Caller, *, allowed: bool) -> None:
    assert checked(text)(caller, OWN) is allowed


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("role:a role:b", "'and' or 'or' is missing before 'role:b'"),
        ("role:a and", "ends where a check should follow"),
        ("or role:a", "has 'or' where a check should be"),
        ("(role:a", "a parenthesis that is not closed"),
        ("role:a)", "is missing before '\\)'"),
        ("()", "has '\\)' where a check should be"),
        ("admin", "'admin' is no check"),
        ("role:", "name a role"),
        ("role:%(project_id)s", "name a role"),
        ("is_admin:1", "say is_admin:True or is_admin:False"),
        ("system_scope:none", "the only system scope is all"),
        ("project_id:", "compare with"),
        ("project_id:x%(project_id)s", "compare with"),
        ("field:networks:shared=True", "there are rule:NAME"),
        ("http://example.com/%(project_id)s", "there are rule:NAME"),
        ("'unclosed:%(project_id)s", "can't be read from here on"),
        ("role:a %x", "can't be read from here on"),
        ("(" * (NESTING_MAX + 1) + "@" + ")" * (NESTING_MAX + 1), "nested deeper"),
        ("not " * (NESTING_MAX + 1) + "@", "nested deeper"),
        ("@ or " * CHECK_CHARS_MAX + "@", "has more than"),
    ],
)
def test_what_is_none_of_the_language_is_refused_with_what_is_wrong(
    text: str, problem: str
) -> None:
    with pytest.raises(PolicyFault, match=problem) as refused:
        parse("create_port", text)
    assert refused.value.rule == "create_port"


_PIECES = st.sampled_from(
    ["(", ")", "'", '"', "%(", ")s", " ", "not ", " and ", " or ", "@", "!", "role:", "a", ":", "%"]
)


@given(st.lists(_PIECES, max_size=600).map("".join))
def test_any_text_is_parsed_or_refused_and_quickly(text: str) -> None:
    begun = time.process_time()
    with contextlib.suppress(PolicyFault):
        parse("tried", text)
    assert time.process_time() - begun < 5, "neither does the time grow out of bounds"


def test_the_longest_texts_of_any_one_piece_are_parsed_quickly() -> None:
    begun = time.process_time()
    for piece in ("'", "%(", "(", "a", "':", "not ", "%(a)s", "a:'b'", " "):
        with contextlib.suppress(PolicyFault):
            parse("tried", piece * (CHECK_CHARS_MAX // len(piece)))
    assert time.process_time() - begun < 5
