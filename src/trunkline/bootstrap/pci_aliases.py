"""``[[pci_alias]]`` of controller.toml: names for devices, as Nova's ``[pci] alias`` has them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import msgspec

from trunkline.domain.device import DeviceKind
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.pci_flavor import Condition, How
from trunkline.domain.pci_flavor_parsing import NOVA_KINDS, InvalidMatch, parse_match
from trunkline.domain.pci_request import NAME, PciRequest

_KINDS = {**NOVA_KINDS, **{kind.value: kind for kind in DeviceKind}}


class PciAliasTable(msgspec.Struct, frozen=True, kw_only=True):
    """One alias. Several of one name mean: any of them."""

    name: str
    vendor_id: str | None = None
    product_id: str | None = None
    device_type: str | None = None  # Nova's words, or ours.
    numa_policy: str | None = None
    live_migratable: bool = False


def read_aliases(
    tables: Sequence[PciAliasTable], attributes: Collection[str], faults: list[str]
) -> Mapping[str, PciRequest]:
    """Check the aliases; each fault goes to `faults`, with its place and remedy."""
    aliases: dict[str, PciRequest] = {}
    for at, table in enumerate(tables):
        alias = _alias(table, f"pci_alias[{at}]", attributes, faults)
        if alias is None:
            continue
        earlier = aliases.setdefault(alias.name, alias)
        if earlier is alias:
            continue
        if (earlier.kind, earlier.or_kinds) != (alias.kind, alias.or_kinds):
            faults.append(
                f"pci_alias[{at}].device_type: another than that of {alias.name} above; "
                "make them the same, or rename one"
            )
        if earlier.numa is not alias.numa:
            faults.append(
                f"pci_alias[{at}].numa_policy: another than that of {alias.name} above; "
                "make them the same, or rename one"
            )
        aliases[alias.name] = replace(earlier, match=(*earlier.match, *alias.match))
    return MappingProxyType(aliases)


def _alias(
    table: PciAliasTable, place: str, attributes: Collection[str], faults: list[str]
) -> PciRequest | None:
    before = len(faults)
    if not NAME.fullmatch(table.name):
        faults.append(
            f"{place}.name: {table.name!r} is no name; use 1 to 63 letters, digits, '.', '_' "
            "and '-', a letter or digit first"
        )
    numa = _numa_policy(table.numa_policy, place, faults)
    ids = {"vendor_id": table.vendor_id, "product_id": table.product_id}
    given = {key: value for key, value in ids.items() if value is not None}
    if not given:
        faults.append(f"{place}: matches nothing in particular; add vendor_id or product_id")
        return None
    kind = None
    if table.device_type is not None:
        kind = _KINDS.get(table.device_type.lower())
        if kind is None:
            faults.append(
                f"{place}.device_type: {table.device_type!r} is no kind of device; "
                "there are type-PCI, type-PF and type-VF"
            )
    try:
        ((*conditions,),) = parse_match([given], {*attributes, *given}, path=place)
    except InvalidMatch as invalid:
        faults += [fault.replace(f"{place}[0]", place, 1) for fault in invalid.faults]
        return None
    if len(faults) > before:
        return None
    if table.live_migratable:
        conditions.append(Condition("e.live_migratable", How.EXACT, ("true",)))
    if kind is None:  # As in Nova: not a whole PF, which must be asked for.
        return PciRequest(name=table.name, count=1, match=(tuple(conditions),), numa=numa)
    conditions.append(Condition("dev_type", How.EXACT, (kind.value,)))
    return PciRequest(
        name=table.name, count=1, match=(tuple(conditions),), kind=kind, or_kinds=(), numa=numa
    )


def _numa_policy(text: str | None, place: str, faults: list[str]) -> NumaPolicy | None:
    if text is None:
        return None
    try:
        return NumaPolicy(text)
    except ValueError:
        known = ", ".join(policy.value for policy in NumaPolicy)
        faults.append(f"{place}.numa_policy: {text!r} is no policy; there are {known}")
        return None
