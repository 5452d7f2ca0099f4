"""Enrolment tokens: each lets one host enrol, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.parsing import body_fields
from trunkline.control import enrolment
from trunkline.control.services import Services
from trunkline.domain.enrolment import LIFETIME, LIFETIME_MAX, EnrolmentToken
from trunkline.domain.ids import HostName
from trunkline.wire.enrolment import (
    EnrolmentTokenAnswer,
    EnrolmentTokenItem,
    EnrolmentTokenList,
)

_TTL_DEFAULT: Final = int(LIFETIME.total_seconds())
_TTL_MAX: Final = int(LIFETIME_MAX.total_seconds())


def create(svc: Services, request: Request) -> Response:
    """Make a token, for one host or for any that is new; the answer alone has its text."""
    fields = body_fields(request)
    fields.require_only(("host", "ttl_seconds"))
    host = fields.text("host", None, length_min=1)
    token, text = enrolment.create_enrolment_token(
        svc,
        request.caller,
        host=None if host is None else HostName(host),
        lifetime=timedelta(
            seconds=fields.integer("ttl_seconds", _TTL_DEFAULT, low=1, high=_TTL_MAX)
        ),
    )
    return Response(status=201, body=EnrolmentTokenAnswer(text, _item(svc, token)))


def list_(svc: Services, request: Request) -> Response:
    """List the tokens that are kept, newest first."""
    found = enrolment.list_enrolment_tokens(svc, request.caller)
    return Response(body=EnrolmentTokenList(tuple(_item(svc, token) for token in found)))


def revoke(svc: Services, request: Request) -> Response:
    """Make a token worthless; a host that enrolled by it stays enrolled."""
    enrolment.revoke_enrolment_token(svc, request.caller, request.params["id"])
    return Response(status=204)


def _item(svc: Services, token: EnrolmentToken) -> EnrolmentTokenItem:
    return EnrolmentTokenItem(
        id=token.id,
        host=token.host,
        state=token.state(svc.clock.now()),
        created_by=token.created_by,
        created_at=token.created_at,
        expires_at=token.expires_at,
        used_at=token.used_at,
        used_by=token.used_by,
    )
