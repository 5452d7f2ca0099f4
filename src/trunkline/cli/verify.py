"""`trunkline verify`: whether the records agree, and placement decides on what they say."""

from __future__ import annotations

import click

from trunkline.cli.context import Teaching, takes_api, takes_json
from trunkline.cli.exit_codes import ExitCode
from trunkline.cli.output import print_json, print_table
from trunkline.client.api import TrunklineApi
from trunkline.wire.verify import VerifyFinding


@click.command(cls=Teaching)
@click.option(
    "--mend", is_flag=True, help="Mend what can be mended without harm to a running server."
)
@takes_json
@takes_api
@click.pass_context
def verify(ctx: click.Context, api: TrunklineApi, *, mend: bool, as_json: bool) -> None:
    r"""Verify that the records about each host agree, and the index that placement reads too.

    For admins. It may run at any time: it goes host by host, and keeps others waiting for one at
    most. With several replicas, the index is that of the one that answers. Exit code 0 if nothing
    is wrong or all of it was mended, else 1.

    \b
    FLAW is one of
      index    placement's index of hosts is not what the store says
      use      a host's count of used processors, memory or disk
      held     a PF's count of its VFs with owners, or whether it is given away
      pools    the pools of devices are not what the devices make
      orphan   a device is held for a server or port that does not have it
      missing  a port is bound to a device that is not held for it
      stray    a port is bound for a server that is not there

    \b
    trunkline verify
    trunkline verify --mend
    trunkline verify --json | jq '.[] | select(.mended | not)'
    """
    host_count = 0
    findings: list[VerifyFinding] = []
    for page in api.verify(mend=mend):
        host_count += page.host_count
        findings += page.findings
    if as_json:
        print_json(findings)
    else:
        print_table(
            ("HOST", "FLAW", "SUBJECT", "MENDED", "DETAIL"),
            [(one.host, one.flaw, one.subject, one.mended, one.detail) for one in findings],
            none=f"{host_count} host{'' if host_count == 1 else 's'} verified: nothing is wrong.",
        )
    if not all(finding.mended for finding in findings):
        ctx.exit(ExitCode.REFUSED)
