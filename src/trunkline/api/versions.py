"""Compute's microversions: reading what a client asks for, and answering what it gets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple, Self

from trunkline.api.problems import HttpProblem

_FORM: Final = re.compile(r"([1-9]\d{0,3})\.(0|[1-9]\d{0,3})")


class Microversion(NamedTuple):
    """A version of the compute API, e.g. 2.96. Compares as numbers: 2.9 < 2.10."""

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


def negotiate(
    headers: Mapping[str, str], *, lowest: Microversion, highest: Microversion
) -> Microversion:
    """Return the version that a request's headers ask for, as Nova reads them.

    ``OpenStack-API-Version: compute X`` goes before ``X-OpenStack-Nova-API-Version: X``; without
    either it is the lowest.

    Raises:
        HttpProblem: 400 for a text of another form, 406 for a version that is not served.
    """
    wanted = _asked_for(headers)
    if wanted is None:
        return lowest
    if wanted == "latest":
        return highest
    try:
        version = Microversion.parse(wanted)
    except ValueError:
        raise HttpProblem(
            400,
            f"API Version String {wanted[:40]!r} is of invalid format. "
            "Must be of format MajorNum.MinorNum.",
        ) from None
    if not lowest <= version <= highest:
        raise HttpProblem(
            406,
            f"Version {version} is not supported by the API. "
            f"Minimum is {lowest} and maximum is {highest}.",
        )
    return version


def _asked_for(headers: Mapping[str, str]) -> str | None:
    for entry in headers.get("openstack-api-version", "").split(","):
        service, _, version = entry.strip().partition(" ")
        if service.lower() == "compute" and version:
            return version.strip()
    return headers.get("x-openstack-nova-api-version")


def version_headers(version: Microversion) -> dict[str, str]:
    """Return the headers that tell a client which version it got."""
    return {
        "OpenStack-API-Version": f"compute {version}",
        "X-OpenStack-Nova-API-Version": str(version),
        "Vary": "OpenStack-API-Version, X-OpenStack-Nova-API-Version",
    }
