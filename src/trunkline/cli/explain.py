"""`trunkline explain`: where a server would go, or why nowhere."""

from __future__ import annotations

import click

from trunkline.cli.context import Teaching, takes_api, takes_json
from trunkline.cli.exit_codes import ExitCode
from trunkline.cli.output import print_json, print_table
from trunkline.client.api import TrunklineApi
from trunkline.wire.v1 import ExplainAnswer, ExplainBody, ExplainNic, HostMisfit

_NIC_KEYS = {
    "network": "network", "net-id": "network", "port": "port", "port-id": "port",
    "vnic-type": "vnic_type", "fixed-ip": "fixed_ip", "pci-flavor": "pci_flavor",
}  # fmt: skip


class NicParameter(click.ParamType[ExplainNic]):
    """``network=NAME[,vnic-type=TYPE][,fixed-ip=ADDRESS][,pci-flavor=NAME]`` or ``port=NAME``."""

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


@click.command(cls=Teaching)
@click.option(
    "--nic", "nics", multiple=True, type=NicParameter(),
    metavar="network=NAME[,vnic-type=TYPE][,pci-flavor=NAME]|port=NAME",
    help="One NIC; give it once for each. TYPE: normal (default), direct, macvtap, "
    "direct-physical.",
)  # fmt: skip
@click.option(
    "--port", "ports", multiple=True, metavar="NAME", help="Short for --nic port=NAME; come last."
)
@click.option(
    "--flavor", metavar="NAME",
    help="The server's size, and devices besides NICs; without it, size is no matter.",
)  # fmt: skip
@click.option("--host", metavar="NAME", help="On this host or nowhere. For admins.")
@takes_json
@takes_api
@click.pass_context
def explain(
    ctx: click.Context,
    api: TrunklineApi,
    *,
    nics: tuple[ExplainNic, ...],
    ports: tuple[str, ...],
    flavor: str | None,
    host: str | None,
    as_json: bool,
) -> None:
    r"""Say where a server with these NICs would go now, or why it fits nowhere.

    Nothing is made and nothing is held. Exit code 0 if it fits, 1 if not. A refusal names for
    each host and NIC what stands in the way, and the smallest change that would make it fit.

    \b
    trunkline explain --nic network=blue,vnic-type=direct
    trunkline explain --flavor small --nic network=blue,vnic-type=direct \
                      --nic network=red,vnic-type=direct
    trunkline explain --nic network=blue,vnic-type=direct,pci-flavor=10g
    trunkline explain --port p1 --host h1
    """
    wanted = (*nics, *(ExplainNic(port=port) for port in ports))
    answer = api.explain(ExplainBody(nics=wanted, flavor=flavor, host=host))
    if as_json:
        print_json(answer)
    elif answer.fits:
        _print_fit(answer)
    else:
        _print_misfit(answer)
    if not answer.fits:
        ctx.exit(ExitCode.REFUSED)


def _print_fit(answer: ExplainAnswer) -> None:
    click.echo(f"It fits on host {answer.host}." if answer.host else "It fits.")
    if answer.nics:
        print_table(
            ("NIC", "DEVICE", "KIND", "PHYSICAL NETWORK", "TYPE", "#VLAN OR VNI"),
            [
                (
                    nic.nic, nic.device, nic.kind and nic.kind.upper(), nic.physical_network,
                    nic.network_type, nic.segmentation_id,
                )
                for nic in answer.nics
            ],
            none="",
        )  # fmt: skip


def _print_misfit(answer: ExplainAnswer) -> None:
    click.echo("It fits on no host.")
    if answer.smallest_change:
        click.echo(f"Smallest change: {answer.smallest_change}")
    if answer.counts:
        click.echo()
        print_table(
            ("REASON", "#HOSTS"),
            [(_words(reason), str(count)) for reason, count in _most_first(answer)],
            none="",
        )
    if answer.hosts:
        click.echo()
        print_table(
            ("HOST", "NIC", "REASON", "#FITTING", "#FREE", "DETAIL"),
            [row for misfit in answer.hosts for row in _rows(misfit)],
            none="",
        )


def _most_first(answer: ExplainAnswer) -> list[tuple[str, int]]:
    return sorted(answer.counts.items(), key=lambda item: (-item[1], item[0]))


def _rows(misfit: HostMisfit) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [
        (misfit.host, None, _words(reason), None, None, misfit.detail) for reason in misfit.reasons
    ]
    rows += [
        (misfit.host, nic.nic, _words(nic.reason), str(nic.fitting), str(nic.free), nic.detail)
        for nic in misfit.nics
    ]
    return rows or [(misfit.host, None, misfit.detail, None, None, None)]


def _words(reason: str) -> str:
    return reason.replace("_", " ")
