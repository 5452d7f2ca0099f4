"""Where this machine gets its Debian packages from, read out of apt's own files.

No mirror is named here: another suite is had from wherever the machine's own comes from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

APT = Path("/etc/apt")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
ADDED = APT / "sources.list.d/trunkline-backports.sources"


@dataclass(frozen=True)
class Source:
    """One suite at one mirror."""

    uri: str
    suite: str
    components: tuple[str, ...]


class NoDebianMirror(Exception):
    """apt's files name no mirror of Debian."""

    def __init__(self) -> None:
        super().__init__(
            f"{APT} names no mirror of Debian: a source with the component `main` is needed in"
            f" {APT / 'sources.list'} or {APT / 'sources.list.d'}"
        )


def parse(text: str) -> Iterator[Source]:
    """Read a file of apt's, in the one-line form or in stanzas (sources.list(5)).

    Sources of source packages and disabled ones are left out.
    """
    if re.search(r"^Types:", text, flags=re.MULTILINE | re.IGNORECASE):
        for stanza in re.split(r"\n\s*\n", text):
            yield from _parse_stanza(stanza)
        return
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line)
        if match is not None:
            yield Source(match[1], match[2], tuple(match[3].split()))


def _parse_stanza(stanza: str) -> Iterator[Source]:
    lines = [line for line in stanza.splitlines() if not line.startswith("#")]
    fields = {
        name.strip().lower(): value.split()
        for name, _, value in (line.partition(":") for line in lines if ":" in line)
    }
    if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
        return
    for uri in fields.get("uris", []):
        for suite in fields.get("suites", []):
            yield Source(uri, suite, tuple(fields.get("components", [])))


def of_this_machine() -> list[Source]:
    """Every source that apt would use here."""
    files = [APT / "sources.list", *sorted(APT.glob("sources.list.d/*.list"))]
    files += sorted(APT.glob("sources.list.d/*.sources"))
    return [source for path in files if path.is_file() for source in parse(path.read_text())]


def mirror(sources: Iterable[Source]) -> str:
    """Return the mirror that Debian's own suites come from.

    Raises:
        NoDebianMirror: There is none.
    """
    for source in sources:
        if "main" in source.components and re.fullmatch(r"[a-z]+", source.suite):
            return source.uri
    raise NoDebianMirror


def one_line_sources(sources: list[Source], suite: str) -> list[str]:
    """The sources of a release, from the mirrors that this machine uses, with its updates."""
    base = mirror(sources)
    lines = [f"deb {base} {suite} main", f"deb {base} {suite}-updates main"]
    security = next((s.uri for s in sources if s.suite.endswith("-security")), None)
    if security is not None:
        lines.append(f"deb {security} {suite}-security main")
    return lines


def add_suite(suite: str) -> None:
    """Let apt know `suite`, from the machine's own mirror; nothing if it does already."""
    sources = of_this_machine()
    if any(source.suite == suite for source in sources):
        return
    ADDED.write_text(
        f"Types: deb\nURIs: {mirror(sources)}\nSuites: {suite}\nComponents: main\n"
        f"Signed-By: {KEYRING}\n"
    )
    print(f"apt's source {suite} was added, in {ADDED}", flush=True)
