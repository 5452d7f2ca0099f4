"""Microversions: reading what a client asks for, and answering what it gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from trunkline.api.problems import HttpProblem

_FORM: Final = re.compile(r"([1-9]\d{0,3})\.(0|[1-9]\d{0,3})")


class Microversion(NamedTuple):
    """A version of one service's API, e.g. 2.96 of compute. Compares as numbers: 2.9 < 2.10."""

    major: int
    minor: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``2.96``; raise `ValueError` for anything else."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(f"not a microversion: {text!r}")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersions:
    """The microversions of one service, and how its clients name them."""

    service: str  # In ``OpenStack-API-Version: SERVICE X``.
    lowest: Microversion
    highest: Microversion
    own_header: str | None = None  # From before that header; it has the version alone.


def negotiate(headers: Mapping[str, str], served: ServedVersions) -> Microversion:
    """Return the version that a request's headers ask for, as OpenStack's services read them.

    ``OpenStack-API-Version: SERVICE X`` goes before the service's own header; without either it is
    the lowest.

    Raises:
        HttpProblem: 400 for a text of another form, 406 for a version that is not served.
    """
    wanted = _asked_for(headers, served)
    if wanted is None:
        return served.lowest
    if wanted == "latest":
        return served.highest
    try:
        version = Microversion.parse(wanted)
    except ValueError:
        raise HttpProblem(
            400,
            f"API Version String {wanted[:40]!r} is of invalid format. "
            "Must be of format MajorNum.MinorNum.",
        ) from None
    if not served.lowest <= version <= served.highest:
        raise HttpProblem(
            406,
            f"Version {version} is not supported by the API. "
            f"Minimum is {served.lowest} and maximum is {served.highest}.",
        )
    return version


def _asked_for(headers: Mapping[str, str], served: ServedVersions) -> str | None:
    for entry in headers.get("openstack-api-version", "").split(","):
        service, _, version = entry.strip().partition(" ")
        if service.lower() == served.service and version:
            return version.strip()
    return None if served.own_header is None else headers.get(served.own_header.lower())


def version_headers(version: Microversion, served: ServedVersions) -> dict[str, str]:
    """Return the headers that tell a client which version it got."""
    headers = {"OpenStack-API-Version": f"{served.service} {version}"}
    if served.own_header is not None:
        headers[served.own_header] = str(version)
    return headers | {"Vary": ", ".join(headers)}
