"""Verifying the rows about hosts, and the index that placement reads."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.parsing import body_fields
from trunkline.control.services import Services
from trunkline.control.verifying import Verdict, verify_hosts
from trunkline.domain.listing import ListQuery
from trunkline.wire.verify import VerifyAnswer, VerifyFinding

HOSTS_AT_ONCE_MAX: Final = 100  # Half a second of the writer's time, in pieces.


def verify(svc: Services, request: Request) -> Response:
    """Verify a page of hosts, by name, and mend what can be if asked to."""
    fields = body_fields(request)
    fields.require_only(("limit", "marker", "mend"))
    limit = fields.integer("limit", HOSTS_AT_ONCE_MAX, low=1, high=HOSTS_AT_ONCE_MAX)
    query = ListQuery(limit=limit, marker=fields.text("marker", None))
    found = verify_hosts(
        svc, request.caller, query, mend="mend" in fields and fields.boolean("mend")
    )
    is_whole_page = len(found.host_ids) == limit
    return Response(
        body=VerifyAnswer(
            host_count=len(found.host_ids),
            marker=found.host_ids[-1] if is_whole_page else None,
            findings=tuple(_finding(verdict) for verdict in found.verdicts),
        )
    )


def _finding(verdict: Verdict) -> VerifyFinding:
    return VerifyFinding(
        host=verdict.host_name,
        flaw=verdict.flaw.value,
        subject=verdict.subject,
        detail=verdict.detail,
        mended=verdict.mended,
    )
