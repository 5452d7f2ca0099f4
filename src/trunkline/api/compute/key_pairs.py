"""Handlers of ``/os-keypairs``: public SSH keys, of the user who asks."""

from __future__ import annotations

import re
from typing import Any, Final

from trunkline.api.compute.paging import page_links, page_query
from trunkline.api.http import Request, Response
from trunkline.api.parsing import body_fields
from trunkline.control import key_pairs
from trunkline.control.services import Services
from trunkline.domain.key_pair import PUBLIC_KEY_CHARS_MAX, KeyPair

_NAME_CHARS_MAX: Final = 255
_NAME: Final = re.compile(r"[A-Za-z0-9_ -]+")
_NAME_SINCE_92: Final = re.compile(r"[A-Za-z0-9_ .@-]+")


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-keypairs``; in pages since 2.35."""
    has_pages = request.version.minor >= 35
    query = page_query(request, sort_keys={}, direction="asc")
    found = key_pairs.list_key_pairs(
        svc,
        request.caller,
        user_id=_user_id(request),
        after=query.marker if has_pages else None,
        limit=query.limit if has_pages else None,
    )
    names = [pair.name for pair in found]
    links = page_links(request, "keypairs", query, names) if has_pages else {}
    return Response(body={"keypairs": [{"keypair": _body(p, request)} for p in found], **links})


def create(svc: Services, request: Request) -> Response:
    """Answer ``POST /os-keypairs``. A key is brought along: none is made here."""
    minor = request.version.minor
    body = body_fields(request)
    body.require_only(("keypair",))
    asked = body.fields("keypair")
    known = {"name": 1, "public_key": 1, "type": 2, "user_id": 10}
    asked.require_only([name for name, since in known.items() if minor >= since])
    name = asked.text("name", length_min=1, length_max=_NAME_CHARS_MAX)
    if name != name.strip() or not (_NAME_SINCE_92 if minor >= 92 else _NAME).fullmatch(name):
        more = ", '.', '@'" if minor >= 92 else ""
        raise asked.invalid("name", f"has letters, digits, spaces within, '_', '-'{more}")
    if asked.text("type", "ssh") != "ssh":
        raise asked.invalid("type", "only ssh keys are served")
    public_key = asked.text("public_key", None, length_max=PUBLIC_KEY_CHARS_MAX)
    if public_key is None:
        raise asked.invalid(
            "public_key", "is needed, as no key is made here: make one with `ssh-keygen`"
        )
    made = key_pairs.create_key_pair(
        svc, request.caller, name, public_key, user_id=asked.text("user_id", None)
    )
    shown = _body(made, request) | {"user_id": made.user_id}
    return Response(status=201 if minor >= 2 else 200, body={"keypair": shown})


def show(svc: Services, request: Request) -> Response:
    """Answer ``GET /os-keypairs/{name}``."""
    pair = key_pairs.get_key_pair(
        svc, request.caller, request.params["name"], user_id=_user_id(request)
    )
    detail = {
        "id": pair.id,
        "user_id": pair.user_id,
        "created_at": f"{pair.created_at:%Y-%m-%dT%H:%M:%S.%f}",
        "updated_at": None,
        "deleted": False,
        "deleted_at": None,
    }
    return Response(body={"keypair": _body(pair, request) | detail})


def delete(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /os-keypairs/{name}``."""
    key_pairs.delete_key_pair(
        svc, request.caller, request.params["name"], user_id=_user_id(request)
    )
    return Response(status=204 if request.version.minor >= 2 else 202)


def _user_id(request: Request) -> str | None:
    return request.query.find("user_id") if request.version.minor >= 10 else None


def _body(pair: KeyPair, request: Request) -> dict[str, Any]:
    kind = {"type": "ssh"} if request.version.minor >= 2 else {}
    return {
        "name": pair.name,
        "public_key": pair.public_key,
        "fingerprint": pair.fingerprint,
        **kind,
    }
