"""`trunkline pci-flavor`: named expressions that say which devices will do."""

from __future__ import annotations

import click

from trunkline.cli.context import TeachingGroup, takes_api, takes_json
from trunkline.cli.output import print_fields, print_json, print_table
from trunkline.client.api import TrunklineApi
from trunkline.domain.pci_flavor_parsing import InvalidMatch, parse_alternative_text
from trunkline.wire.pci_flavors import Match, PciFlavorItem


class MatchParameter(click.ParamType[dict[str, object]]):
    """One alternative: ``vendor_id=8086,product_id=10ed|1515,e.model~x5*,e.rack=~r[0-9]+``."""

    name = "match"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, object]:
        """Read one alternative; whether its attributes and values make sense, the service says."""
        if isinstance(value, dict):
            return value
        try:
            return parse_alternative_text(str(value), path=f"{str(value)!r}")
        except InvalidMatch as problem:
            self.fail(str(problem), param, ctx)


_MATCH_HELP = (
    "What a device must have: conditions apart by commas, all of them. Given several times, any "
    "will do. ATTRIBUTE=VALUE, =VALUE|VALUE, ~GLOB or =~REGEX; a comma in a value is \\,"
)


@click.group("pci-flavor", cls=TeachingGroup)
def pci_flavor() -> None:
    r"""Named expressions that say which devices will do; changed by admins at any time.

    Flavors of servers ask for them (`pci_passthrough:pci_flavor`), and so do ports and NICs. What
    is placed keeps its devices, whatever becomes of the PCI flavor.

    \b
    trunkline pci-flavor create 10g --match vendor_id=8086,product_id=10ed
    openstack port create --network blue --vnic-type direct \
      --extra-property type=str,name=pci_flavor,value=10g p1
    """


@pci_flavor.command()
@click.argument("name")
@click.option(
    "--match", "matches", multiple=True, required=True, type=MatchParameter(),
    metavar="ATTRIBUTE=VALUE[,…]", help=_MATCH_HELP,
)  # fmt: skip
@click.option("--description", default="", help="What it is for, for those who choose by name.")
@takes_json
@takes_api
def create(
    api: TrunklineApi,
    *,
    name: str,
    matches: tuple[dict[str, object], ...],
    description: str,
    as_json: bool,
) -> None:
    r"""Make the PCI flavor NAME. For admins.

    \b
    trunkline pci-flavor create 10g --match vendor_id=8086,product_id=10ed|1515
    trunkline pci-flavor create fast --match e.speed=100g --match e.model~x7*,e.rack=~r[0-9]
    """
    made = api.pci_flavors.create({"name": name, "match": matches, "description": description})
    _print(made, as_json=as_json)


@pci_flavor.command("list")
@takes_json
@takes_api
def list_(api: TrunklineApi, *, as_json: bool) -> None:
    r"""List the PCI flavors, by name. What they match is shown to admins.

    \b
    trunkline pci-flavor list
    """
    found = list(api.pci_flavors.all())
    if as_json:
        print_json(found)
        return
    print_table(
        ("PCI FLAVOR", "MATCH", "DESCRIPTION", "ID"),
        [(item.name, _text(item.match), item.description or None, item.id) for item in found],
        none="There are no PCI flavors: make one with `trunkline pci-flavor create`.",
    )


@pci_flavor.command()
@click.argument("name")
@takes_json
@takes_api
def show(api: TrunklineApi, *, name: str, as_json: bool) -> None:
    r"""Show the PCI flavor NAME.

    \b
    trunkline pci-flavor show 10g
    """
    _print(api.pci_flavors.get(name), as_json=as_json)


@pci_flavor.command("set")
@click.argument("name")
@click.option(
    "--match", "matches", multiple=True, type=MatchParameter(),
    metavar="ATTRIBUTE=VALUE[,…]", help=f"Instead of all that it matches now. {_MATCH_HELP}",
)  # fmt: skip
@click.option("--description", help="Instead of the one it has.")
@takes_json
@takes_api
def set_(
    api: TrunklineApi,
    *,
    name: str,
    matches: tuple[dict[str, object], ...],
    description: str | None,
    as_json: bool,
) -> None:
    r"""Change what the PCI flavor NAME matches, or its description. For admins.

    Servers that are placed keep their devices; the next one is placed by what is set now.

    \b
    trunkline pci-flavor set 10g --match vendor_id=8086,product_id=10ed
    """
    fields: dict[str, object] = {}
    if matches:
        fields["match"] = matches
    if description is not None:
        fields["description"] = description
    if not fields:
        raise click.UsageError("nothing to change: give --match or --description")
    _print(api.pci_flavors.update(name, fields), as_json=as_json)


@pci_flavor.command()
@click.argument("name")
@takes_api
def delete(api: TrunklineApi, *, name: str) -> None:
    r"""Delete the PCI flavor NAME, unless a port or a flavor of servers names it. For admins.

    \b
    trunkline pci-flavor delete 10g
    """
    api.pci_flavors.delete(name)


def _print(item: PciFlavorItem, *, as_json: bool) -> None:
    if as_json:
        print_json(item)
        return
    print_fields(
        [
            ("pci flavor", item.name),
            ("id", item.id),
            ("description", item.description or None),
            *(
                ("match" if at == 0 else "or", _line(each))
                for at, each in enumerate(item.match or ())
            ),
            ("created", item.created_at),
            ("updated", item.updated_at),
        ]
    )


def _text(match: Match | None) -> str | None:
    return None if match is None else " or ".join(_line(each) for each in match)


def _line(alternative: object) -> str:
    """One alternative as it would be written for `--match`."""
    assert isinstance(alternative, dict)
    parts = []
    for name, value in alternative.items():
        sign = "="
        if isinstance(value, dict):
            ((how, value),) = value.items()
            sign = {"glob": "~", "regex": "=~"}[how]
            if sign == "=~" and isinstance(value, list):
                value = "|".join(f"({each})" for each in value)
        text = "|".join(value) if isinstance(value, list) else str(value)
        parts.append(f"{name}{sign}" + text.replace(",", "\\,"))
    return ",".join(parts)
