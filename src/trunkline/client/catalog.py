"""Where Trunkline answers, by the catalog that comes with a login."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import msgspec

from trunkline.client.errors import BadCredentials
from trunkline.wire.json import decode

SERVICE_TYPE: Final = "trunkline"


class _Endpoint(msgspec.Struct, frozen=True):
    interface: str
    url: str
    region_id: str | None = None


class _Service(msgspec.Struct, frozen=True):
    type: str
    endpoints: tuple[_Endpoint, ...] = ()


class _Token(msgspec.Struct, frozen=True):
    catalog: tuple[_Service, ...] = ()


class _Login(msgspec.Struct, frozen=True):
    token: _Token


def find_trunkline(body: bytes, region: str | None) -> str | None:
    """Return the public address of Trunkline, by the body of a login; None if it tells none.

    Raises:
        BadCredentials: It tells one, but none in this region.
    """
    try:
        catalog = decode(body, _Login).token.catalog
    except msgspec.DecodeError:
        return None
    public = [
        endpoint
        for service in catalog
        if service.type == SERVICE_TYPE
        for endpoint in service.endpoints
        if endpoint.interface == "public" and _is_url(endpoint.url)
    ]
    for endpoint in public:
        if region is None or endpoint.region_id == region:
            return endpoint.url.rstrip("/")
    if not public:
        return None
    regions = ", ".join(sorted({str(endpoint.region_id) for endpoint in public}))
    raise BadCredentials(f"there is no Trunkline in region {region}, but in {regions}")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
