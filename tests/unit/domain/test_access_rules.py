"""Which requests the access rules of application credentials allow."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trunkline.domain.access_rules import (
    PATH_CHARACTERS_MAX,
    AccessMethod,
    AccessRule,
    parse_path,
    permits,
)
from trunkline.domain.ids import AccessRuleId


def rule(path: str, method: str = "GET", service: str = "compute") -> AccessRule:
    return AccessRule(
        id=AccessRuleId("r"), service=service, method=AccessMethod(method), path=parse_path(path)
    )


def allows(path: str, asked: str) -> bool:
    segments = asked.removeprefix("/").split("/")
    return permits([rule(path)], service="compute", method="GET", segments=segments)


@pytest.mark.parametrize(
    ("path", "asked", "allowed"),
    [
        ("/v2.1/servers", "/compute/v2.1/servers", True),
        ("/compute/v2.1/servers", "/compute/v2.1/servers", True),
        ("/v2.1/servers/", "/compute/v2.1/servers", True),
        ("/v2.1/servers", "/compute/v2.1/servers/1", False),
        ("/v2.1/servers", "/compute/v2x1/servers", False),  # A dot is a dot.
        ("/v2.1/server", "/compute/v2.1/servers", False),
        ("/servers", "/compute/v2.1/servers", False),
        ("/v2.1/servers/*", "/compute/v2.1/servers/1", True),
        ("/v2.1/servers/*", "/compute/v2.1/servers", False),
        ("/v2.1/servers/*", "/compute/v2.1/servers/1/ips", False),
        ("/v2.1/servers/*/ips", "/compute/v2.1/servers/1/ips", True),
        ("/v2.1/servers/{id}/ips", "/compute/v2.1/servers/1/ips", True),
        ("/v2.1/servers/{id}/ips", "/compute/v2.1/servers/1/2/ips", False),
        ("/v2.1/ser*", "/compute/v2.1/servers", True),
        ("/v2.1/servers*", "/compute/v2.1/servers", False),  # One character at least.
        ("/v2.1/**", "/compute/v2.1/servers/1/ips", True),
        ("/v2.1/**/ips", "/compute/v2.1/servers/1/ips", True),
        ("/v2.1/**/ips", "/compute/v2.1/servers/1/ip", False),
        ("/v2.1/servers**", "/compute/v2.1/servers", True),
        ("/**", "/compute/v2.1/servers", True),
        ("/*", "/compute/v2.1/servers", False),
        ("/", "/compute", True),
    ],
)
def test_a_path_allows_what_it_says(path: str, asked: str, allowed: bool) -> None:
    assert allows(path, asked) is allowed


def test_method_and_service_are_the_rules_own() -> None:
    rules = [rule("/**"), rule("/**", "POST", "network")]
    for service, method, allowed in (
        ("compute", "GET", True), ("compute", "HEAD", False), ("compute", "POST", False),
        ("network", "POST", True), ("network", "GET", False), ("image", "GET", False),
    ):  # fmt: skip
        segments = [service, "v2"]
        assert permits(rules, service=service, method=method, segments=segments) is allowed


def test_a_slash_inside_a_name_parts_nothing() -> None:
    def allowed(path: str) -> bool:
        segments = ["compute", "os-keypairs", "mine/v2"]
        return permits([rule(path)], service="compute", method="GET", segments=segments)

    assert allowed("/os-keypairs/*")
    assert allowed("/**")
    assert not allowed("/os-keypairs/mine/v2")
    assert not allowed("/os-keypairs/*/v2")


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("v2.1/servers", "begin with a slash"), ("", "begin with a slash"),
        ("/{id", "without its }"), ("/id}", "without its {"), ("/a b", "spaces"),
        ("/a\nb", "control"), ("/\ud800", "control"), ("/" + "a" * PATH_CHARACTERS_MAX, "at most"),
    ],
)  # fmt: skip
def test_what_is_no_path_is_refused(path: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        parse_path(path)


PIECES = st.sampled_from(["a", "b", "/", ".", "*", "**", "{x}"])


@given(st.lists(PIECES, max_size=8), st.text("ab/.", max_size=10))
@example(["*", "**", "*"], "ab")
def test_paths_mean_what_a_regular_expression_would(pieces: list[str], asked: str) -> None:
    """As Keystone's middleware reads them, but that a dot is a dot."""
    path = "/" + "".join(pieces)
    meaning = re.sub(
        r"\{[^}]*\}|\*\*|\*|.",
        lambda found: {"**": ".*", "*": "[^/]+"}.get(
            found[0], "[^/]+" if found[0].startswith("{") else re.escape(found[0])
        ),
        path.rstrip("/") or "/",
    )
    segments = ["compute", *asked.split("/")] if asked else ["compute"]
    wanted = any(re.fullmatch(meaning, "/" + "/".join(part)) for part in (segments, segments[1:]))
    assert permits([rule(path)], service="compute", method="GET", segments=segments) is wanted


def test_no_path_takes_long_however_it_was_made() -> None:
    worst = [rule("/" + "*a" * 100 + f"{number:03}") for number in range(100)]
    begun = time.process_time()
    for length in (1000, 100_000):
        assert not permits(worst, service="compute", method="GET", segments=["a" * length])
    assert time.process_time() - begun < 5, "a regular expression would take years"
