"""Another suite comes from the mirror that the machine itself uses."""

from __future__ import annotations

import pytest

from tools.debian_sources import NoDebianMirror, Source, mirror, one_line_sources, parse

STANZAS = """\
Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""
LINES = """\
# deb http://off.example/debian bookworm main
deb [arch=amd64 signed-by=/x] http://mirror.example/debian bookworm main contrib # here
deb-src http://sources.example/debian bookworm main
"""


def test_stanzas_are_read_without_source_packages_and_what_is_disabled() -> None:
    base, security = "http://mirror.example/debian", "http://mirror.example/debian-security"
    assert list(parse(STANZAS)) == [
        Source(base, "bookworm", ("main", "contrib")),
        Source(base, "bookworm-updates", ("main", "contrib")),
        Source(security, "bookworm-security", ("main",)),
    ]


def test_lines_are_read_with_their_options() -> None:
    [source] = parse(LINES)
    assert source == Source("http://mirror.example/debian", "bookworm", ("main", "contrib"))


def test_a_release_comes_with_its_updates_from_the_same_mirrors() -> None:
    assert one_line_sources(list(parse(STANZAS)), "trixie") == [
        "deb http://mirror.example/debian trixie main",
        "deb http://mirror.example/debian trixie-updates main",
        "deb http://mirror.example/debian-security trixie-security main",
    ]


def test_a_machine_without_a_mirror_of_debian_is_told() -> None:
    with pytest.raises(NoDebianMirror, match="main"):
        mirror([Source("http://x.example", "stable/updates", ("main",))])
