"""Failures as HTTP: the status by the error's kind, the body in the form of the face it came to.

This is the one place where either is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from trunkline.api.faces import Face
from trunkline.api.http import Response
from trunkline.api.problems import HttpProblem
from trunkline.domain.errors import (
    AlreadyExists,
    ErrorKind,
    Forbidden,
    InUse,
    Invalid,
    NoAddressFree,
    NoSegmentationIdFree,
    NotFound,
    TrunklineError,
)
from trunkline.domain.quota import QuotaExceeded

STATUS: Final[Mapping[ErrorKind, int]] = MappingProxyType({
    ErrorKind.INVALID: 400,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.TOO_MANY: 429,
    ErrorKind.UNAVAILABLE: 503,
    ErrorKind.NO_SPACE: 507,
})  # fmt: skip

# Nova's names for faults; any other status is a `computeFault`.
# Source: nova/api/openstack/wsgi.py, Fault._fault_names.
_COMPUTE_FAULTS: Final = MappingProxyType({
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    429: "overLimit",
    501: "notImplemented",
    503: "serviceUnavailable",
})  # fmt: skip


def render_error(face: Face, error: TrunklineError, request_id: str) -> Response:
    """Answer an error that callers are expected to meet."""
    status = STATUS[error.kind]
    if face is Face.NETWORK and isinstance(error, QuotaExceeded):
        status = 409  # As Neutron.
    headers = {"Retry-After": "1"} if error.kind is ErrorKind.UNAVAILABLE else {}
    return Response(
        status=status,
        body=_body(face, status, error.message, error, error.code, request_id),
        headers=headers,
    )


def render_problem(face: Face, problem: HttpProblem, request_id: str) -> Response:
    """Answer a request that HTTP alone refuses."""
    code = "http." + HTTPStatus(problem.status).name.lower()
    body = _body(face, problem.status, problem.message, None, code, request_id)
    return Response(status=problem.status, body=body, headers=problem.headers)


def render_bug(face: Face, request_id: str) -> Response:
    """Answer when something broke that nobody expected: the log has the trace, not the body."""
    message = f"An unexpected error has occurred; the log has it under {request_id}."
    return Response(
        status=500, body=_body(face, 500, message, None, "http.internal_server_error", request_id)
    )


def _body(
    face: Face, status: int, message: str, error: TrunklineError | None, code: str, request_id: str
) -> object:
    title = HTTPStatus(status).phrase
    match face:
        case Face.NETWORK:
            kind = _neutron_type(error, title)
            return {"NeutronError": {"type": kind, "message": message, "detail": ""}}
        case Face.COMPUTE:
            name = _COMPUTE_FAULTS.get(status, "computeFault")
            return {name: {"code": status, "message": message}}
        case Face.IDENTITY | Face.IMAGE:
            return {"error": {"code": status, "message": message, "title": title}}
        case Face.PLACEMENT:
            detail = {"status": status, "title": title, "detail": message, "code": code}
            return {"errors": [detail | {"request_id": request_id}]}
        case Face.TRUNKLINE:
            fields = {"field": error.field} if isinstance(error, Invalid) else {}
            return {
                "error": {
                    "code": code,
                    "status": status,
                    "message": message,
                    "request_id": request_id,
                    **fields,
                }
            }


def _neutron_type(error: TrunklineError | None, title: str) -> str:
    """Name an error as Neutron would: programs look at `PortNotFound`, `SubnetInUse` and so on."""
    match error:
        case NotFound():
            return f"{_camel(error.what)}NotFound"
        case InUse():
            return f"{_camel(error.what)}InUse"
        case AlreadyExists():
            return _neutron_type_of_taken(error)
        case NoSegmentationIdFree():
            return "NoNetworkAvailable"
        case NoAddressFree():
            return "IpAddressGenerationFailure"
        case Invalid():
            return "InvalidInput"
        case Forbidden():
            return "PolicyNotAuthorized"
        case QuotaExceeded():
            return "OverQuota"
        case None:
            return "HTTP" + title.replace(" ", "").replace("-", "")
        case _:
            return type(error).__name__


# What `AlreadyExists` calls a thing begins with these words.
# Source: neutron_lib.exceptions (neutron-lib 5.0.1).
_NEUTRON_TAKEN: Final = MappingProxyType({
    "MAC address": "MacAddressInUse",
    "IP address": "IpAddressInUse",
    "segment vlan": "VlanIdInUse",
    "segment flat": "FlatNetworkInUse",
    "segment vxlan": "TunnelIdInUse",
    "security group rule": "SecurityGroupRuleExists",
    "security group default": "SecurityGroupDefaultAlreadyExists",
})  # fmt: skip


def _neutron_type_of_taken(error: AlreadyExists) -> str:
    for words, name in _NEUTRON_TAKEN.items():
        if f"{error.what} {error.ref}".startswith(words):
            return name
    return f"{_camel(error.what)}AlreadyExists"


def _camel(what: str) -> str:
    return "".join(word.capitalize() for word in what.split() if word.isalpha())
