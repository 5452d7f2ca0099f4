"""How a server that is not made yet is named on the command line: its NICs and its size."""

from __future__ import annotations

import functools
from typing import Any

import click

from trunkline.cli.context import Command
from trunkline.wire.v1 import ExplainNic

_NIC_KEYS = {
    "network": "network", "net-id": "network", "net": "network", "port": "port", "port-id": "port",
    "vnic-type": "vnic_type", "fixed-ip": "fixed_ip", "pci-flavor": "pci_flavor",
    "numa-policy": "numa_policy",
}  # fmt: skip


class NicParameter(click.ParamType[ExplainNic]):
    """``network=NAME[,KEY=VALUE…]`` or ``port=NAME[,pci-flavor=NAME]``.

    Keys: vnic-type, fixed-ip, pci-flavor, numa-policy.
    """

    name = "nic"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> ExplainNic:
        """Read one NIC."""
        if isinstance(value, ExplainNic):
            return value
        given: dict[str, str] = {}
        for part in str(value).split(","):
            key, equals, text = part.partition("=")
            if key not in _NIC_KEYS:
                self.fail(f"{key!r} is none of {', '.join(_NIC_KEYS)}", param, ctx)
            if not equals or not text:
                self.fail(f"{part!r} lacks a value: write {key}=VALUE", param, ctx)
            if _NIC_KEYS[key] in given:
                self.fail(f"{key} is given twice in {value!r}", param, ctx)
            given[_NIC_KEYS[key]] = text
        if ("network" in given) == ("port" in given):
            self.fail(f"{value!r} must name a network or a port, one of them", param, ctx)
        if "port" in given and given.keys() - {"port", "pci_flavor"}:
            self.fail(
                "a port says itself what it is: give nothing beside it but pci-flavor", param, ctx
            )
        return ExplainNic(**given)


def takes_nics(command: Command) -> Command:
    """Give a command `--nic` and `--port`, as `nics`: one tuple in the order NICs, then ports."""

    @click.option(
        "--nic", "nics", multiple=True, type=NicParameter(),
        metavar="network=NAME[,KEY=VALUE…]|port=NAME",
        help="One NIC; give it once for each. Keys: vnic-type (normal, direct, macvtap, "
        "direct-physical), pci-flavor, numa-policy (required, preferred, legacy, socket), "
        "fixed-ip.",
    )  # fmt: skip
    @click.option(
        "--port", "ports", multiple=True, metavar="NAME",
        help="Short for --nic port=NAME; come last.",
    )  # fmt: skip
    @functools.wraps(command)
    def run(
        *args: Any, nics: tuple[ExplainNic, ...], ports: tuple[str, ...], **options: Any
    ) -> None:
        command(*args, nics=(*nics, *(ExplainNic(port=port) for port in ports)), **options)

    return run


def takes_flavor(command: Command) -> Command:
    """Give a command `--flavor`."""
    return click.option(
        "--flavor", metavar="NAME",
        help="The server's size, and devices besides NICs; without it, size is no matter.",
    )(command)  # fmt: skip


def takes_zone(command: Command) -> Command:
    """Give a command `--availability-zone`, as `zone`."""
    return click.option(
        "--availability-zone", "zone", metavar="NAME", help="On a host of this zone."
    )(command)


def takes_hints(command: Command) -> Command:
    """Give a command `--hint`, as `hints`: values by key."""

    @click.option(
        "--hint", "given", multiple=True, metavar="KEY=VALUE", callback=_hint_pairs,
        help="A scheduler hint, as `openstack server create` takes them: "
        "group=ID of a server group; trunkline:nic_affinity=RULE or "
        "trunkline:nic_anti_affinity=RULE, RULE being "
        "SCOPE[:hard|:soft][:NIC,NIC…]. SCOPE: pf, card, switch, numa.",
    )  # fmt: skip
    @functools.wraps(command)
    def run(*args: Any, given: tuple[tuple[str, str], ...], **options: Any) -> None:
        hints: dict[str, tuple[str, ...]] = {}
        for key, value in given:
            hints[key] = (*hints.get(key, ()), value)
        command(*args, hints=hints, **options)

    return run


def _hint_pairs(
    ctx: click.Context, param: click.Parameter, given: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in given]
    for text, (key, equals, value) in zip(given, pairs, strict=True):
        if not (key and equals and value):
            raise click.BadParameter(f"{text!r}: write KEY=VALUE", ctx, param)
    return tuple((key, value) for key, _, value in pairs)
