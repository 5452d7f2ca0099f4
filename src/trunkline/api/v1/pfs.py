"""PFs of hosts, for operators."""

from __future__ import annotations

from trunkline.api.http import Request, Response
from trunkline.api.parsing import body_fields
from trunkline.control import pfs
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid
from trunkline.domain.pci import PciAddress


def rekey(svc: Services, request: Request) -> Response:
    """Say where a PF is now that is in doubt; done with the host's next report."""
    fields = body_fields(request)
    fields.require_only(("to",))
    pfs.rekey_pf(
        svc,
        request.caller,
        request.params["name"],
        _address("address", request.params["address"]),
        _address("to", fields.text("to")),
    )
    return Response(status=202)


def _address(name: str, text: str) -> PciAddress:
    try:
        return PciAddress.parse(text)
    except ValueError as problem:
        raise Invalid(name, str(problem)) from None
