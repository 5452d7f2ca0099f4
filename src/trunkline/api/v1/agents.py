"""The agents' part: enrol a host, fetch what is desired of it, take in what was observed.

An agent speaks for its own host only: the host is the token's, and a path or a body that names
another one is refused.
"""

from __future__ import annotations

from functools import partial

import msgspec

from trunkline.api.http import LongPoll, Request, Response, SendFile
from trunkline.api.parsing import body_fields
from trunkline.control.desired import desired_if_newer
from trunkline.control.enrolment import enrol_host
from trunkline.control.image_transfer import open_image_for_host
from trunkline.control.reports import take_report
from trunkline.control.services import Services
from trunkline.domain.errors import Forbidden, Invalid
from trunkline.domain.ids import HostName
from trunkline.reconcile.report import HostReport
from trunkline.wire.enrolment import EnrolAnswer
from trunkline.wire.json import decode
from trunkline.wire.v1 import WAIT_SECONDS_MAX

_CREDENTIAL_CHARACTERS_MIN = 43  # 256 bits, as URL-safe text: it is not to be guessed.
_CREDENTIAL_CHARACTERS_MAX = 255
_GENERATION_DIGITS_MAX = 18


def enrol(svc: Services, request: Request) -> Response:
    """Make a host known by enrolment key or token, and answer a credential of its own."""
    fields = body_fields(request)
    fields.require_only(("key", "token"))
    token = enrol_host(
        svc,
        HostName(request.params["name"]),
        fields.text("key", length_min=1),
        token=fields.text(
            "token",
            None,
            length_min=_CREDENTIAL_CHARACTERS_MIN,
            length_max=_CREDENTIAL_CHARACTERS_MAX,
        ),
    )
    return Response(status=201, body=EnrolAnswer(token=token))


def desired(svc: Services, request: Request) -> Response | LongPoll:
    """Answer what is desired once it is newer than `after`; 204 if it was not for `wait` s.

    With `consoles`, the number of asks for consoles that is known, also once there are more.
    """
    host = _own_host(request)
    after = _number(request, "after", default=0)
    consoles = _number(request, "consoles", default=0) if "consoles" in request.query else None
    wait = _number(request, "wait", default=0)
    if wait > WAIT_SECONDS_MAX:
        raise Invalid("wait", f"at most {WAIT_SECONDS_MAX} s, not {wait}")
    return LongPoll(
        host_name=host,
        ready=partial(_newer, svc, host, after, consoles),
        timeout_seconds=wait,
        otherwise=Response(status=204),
    )


def _newer(svc: Services, host: HostName, after: int, consoles: int | None) -> Response | None:
    config = desired_if_newer(svc, host, generation=after, consoles_asked=consoles)
    return None if config is None else Response(body=config)


def report(svc: Services, request: Request) -> Response:
    """Take a report in; when this is answered it is stored."""
    host = _own_host(request)
    try:
        parsed = decode(request.body, HostReport)
    except msgspec.DecodeError as problem:
        raise Invalid("body", str(problem)) from None
    if parsed.host != host:
        raise Forbidden(f"the agent of {host} reporting for {parsed.host!r}")
    return Response(body=take_report(svc, parsed))


def image(svc: Services, request: Request) -> SendFile:
    """Answer the bytes of an image that a server on the agent's own host starts from."""
    found = open_image_for_host(svc, _own_host(request), request.params["id"])
    assert found.image.size_bytes is not None
    return SendFile(file=found.file, size_bytes=found.image.size_bytes)


def _own_host(request: Request) -> HostName:
    if request.params["name"] != request.host_name:
        raise Forbidden(f"the agent of {request.host_name} speaking for {request.params['name']!r}")
    return request.host_name


def _number(request: Request, name: str, *, default: int) -> int:
    text = request.query.find(name)
    if text is None:
        return default
    if len(text) > _GENERATION_DIGITS_MAX or not (text.isascii() and text.isdecimal()):
        raise Invalid(name, "must be a whole number, not negative")
    return int(text)
