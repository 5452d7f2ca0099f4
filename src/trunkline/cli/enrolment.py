"""`trunkline host enrol-token`: what lets a new host enrol."""

from __future__ import annotations

import re
from typing import Any, Final

import click

from trunkline.cli.context import TeachingGroup, takes_api, takes_json
from trunkline.cli.output import print_fields, print_json, print_table
from trunkline.client.api import TrunklineApi
from trunkline.wire.enrolment import EnrolmentTokenBody, EnrolmentTokenItem

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"([1-9][0-9]{0,7})([smhd])")


class _Duration(click.ParamType[int]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read `90m`, `24h` or `7d` as seconds."""
        found = _DURATION.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is no duration; write 90m, 24h or 7d", param, ctx)
        return int(found[1]) * _SECONDS[found[2]]


@click.group("enrol-token", cls=TeachingGroup)
def enrol_token() -> None:
    r"""What lets a host enrol: a token is good for one host, once, until it expires. For admins.

    Put its text into the file that `controller.enrolment_key_file` of the host's compute.toml
    names. At its first start the agent enrols by it, and has a credential of its own from then on.

    \b
    trunkline host enrol-token create --host h1
    trunkline host enrol-token list
    """


@enrol_token.command()
@click.option(
    "--host", metavar="NAME",
    help="The only host that may use it; it may be one that is enrolled already. Without it: any"
    " host that is not.",
)  # fmt: skip
@click.option(
    "--ttl", type=_Duration(), default="24h", show_default=True,
    help="How long it can be used: 90m, 24h, 7d; 30d at most.",
)  # fmt: skip
@takes_json
@takes_api
def create(api: TrunklineApi, *, host: str | None, ttl: int, as_json: bool) -> None:
    r"""Make a token and print it: it is told this once.

    \b
    trunkline host enrol-token create --host h1 --ttl 2h
    """
    made = api.create_enrolment_token(EnrolmentTokenBody(host=host, ttl_seconds=ttl))
    if as_json:
        print_json(made)
        return
    print_fields([
        ("token", made.token),
        ("id", made.enrolment_token.id),
        ("for host", _host(made.enrolment_token)),
        ("expires", made.enrolment_token.expires_at),
    ])  # fmt: skip


@enrol_token.command("list")
@takes_json
@takes_api
def list_(api: TrunklineApi, *, as_json: bool) -> None:
    r"""List the tokens, newest first, without their texts.

    \b
    trunkline host enrol-token list
    """
    tokens = api.enrolment_tokens()
    if as_json:
        print_json(tokens)
        return
    print_table(
        ("ID", "FOR HOST", "STATE", "EXPIRES", "CREATED BY", "USED BY"),
        [
            (item.id, _host(item), item.state, item.expires_at, item.created_by, item.used_by)
            for item in tokens
        ],
        none="There are no enrolment tokens (`trunkline host enrol-token create`).",
    )


@enrol_token.command()
@click.argument("token_id", metavar="ID")
@takes_api
def revoke(api: TrunklineApi, *, token_id: str) -> None:
    r"""Make the token ID worthless; a host that enrolled by it stays enrolled.

    \b
    trunkline host enrol-token revoke 7d1f8b2e-6c1f-4d5e-9a54-0f3f6f3b8f11
    """
    api.revoke_enrolment_token(token_id)


def _host(item: EnrolmentTokenItem) -> str:
    return item.host or "any new one"
