"""What a server's flavor, image and scheduler hints ask about where its devices are.

The words are Nova's where it has them. A policy of a port goes before that of its server, and that
of a server before that of an alias; a flavor and an image that contradict each other are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trunkline.control.nics import DEVICE_KINDS, Nic
from trunkline.domain.errors import Invalid
from trunkline.domain.image import Image
from trunkline.domain.nic_rules import (
    AFFINITY_KEY,
    ANTI_AFFINITY_KEY,
    RULED_NICS_MAX,
    RULES_MAX,
    AskedRule,
    Naming,
    NicName,
    NicRule,
    NumaPolicy,
    parse_rules,
)
from trunkline.domain.pci_request import ALIAS_KEY, PCI_FLAVOR_KEY

NUMA_KEY: Final = "hw:pci_numa_affinity_policy"  # Of a flavor.
NUMA_PROPERTY: Final = "hw_pci_numa_affinity_policy"  # Of an image.
GROUP_POLICY_KEY: Final = "group_policy"  # Of a flavor, as Nova's.

_OWN_PREFIXES: Final = ("trunkline:", "pci_passthrough:")
_OWN_KEYS: Final = (AFFINITY_KEY, ANTI_AFFINITY_KEY, PCI_FLAVOR_KEY, ALIAS_KEY)


def check_extra_specs(specs: Mapping[str, str]) -> None:
    """Raise `Invalid` if extra specs of a flavor that we read are malformed."""
    for key in specs:
        # What nobody reads would be a rule that silently does not hold.
        if key.startswith(_OWN_PREFIXES) and key not in _OWN_KEYS:
            raise Invalid(f"extra_specs.{key}", f"unknown; there are {', '.join(_OWN_KEYS)}")
    numa_policy_of(specs)
    rules_of_flavor(specs)
    isolates_guaranteed(specs)


def numa_policy_of(specs: Mapping[str, str], image: Image | None = None) -> NumaPolicy | None:
    """Return the NUMA policy of a server of this flavor and image.

    Raises:
        Invalid: A policy is none of those that there are, or the image's is another than the
            flavor's.
    """
    of_flavor = _numa_policy(specs, NUMA_KEY, f"extra_specs.{NUMA_KEY}")
    if image is None:
        return of_flavor
    of_image = _numa_policy(image.properties, NUMA_PROPERTY, "imageRef")
    if of_image is not None and of_flavor not in (None, of_image):
        raise Invalid(
            "imageRef",
            f"image property {NUMA_PROPERTY}={of_image.value} is not permitted to override "
            f"extra spec {NUMA_KEY} of the flavor; choose another image or flavor",
        )
    return of_flavor or of_image


def _numa_policy(given: Mapping[str, str], key: str, field: str) -> NumaPolicy | None:
    text = given.get(key)
    if text is None:
        return None
    try:
        return NumaPolicy(text)
    except ValueError:
        known = ", ".join(policy.value for policy in NumaPolicy)
        raise Invalid(field, f"{key} must be one of {known}, not {text[:60]!r}") from None


def rules_of_flavor(specs: Mapping[str, str]) -> tuple[AskedRule, ...]:
    """Return the rules that a flavor's extra specs ask for; raise `Invalid` for malformed ones."""
    return tuple(
        rule
        for key in (AFFINITY_KEY, ANTI_AFFINITY_KEY)
        if key in specs
        for rule in parse_rules(key, specs[key], field=f"extra_specs.{key}")
    )


def isolates_guaranteed(specs: Mapping[str, str]) -> bool:
    """Whether a flavor's `group_policy` wants NICs with guarantees on a PF each.

    Raises:
        Invalid: The policy is neither `none` nor `isolate`.
    """
    policy = specs.get(GROUP_POLICY_KEY, "none")
    if policy not in ("none", "isolate"):
        raise Invalid(
            f"extra_specs.{GROUP_POLICY_KEY}", f"must be none or isolate, not {policy[:60]!r}"
        )
    return policy == "isolate"


def rules_over(nics: Sequence[Nic], asked: Sequence[AskedRule]) -> tuple[NicRule, ...]:
    """Say which NICs each rule is about.

    Raises:
        Invalid: A rule names a NIC that the server has not, or that has no device of its own
            choosing; or there are more rules or NICs than are decided together.
    """
    if not asked:
        return ()
    if len(asked) > RULES_MAX:
        problem = f"{len(asked)} rules over NICs; a server has {RULES_MAX} at most"
        raise Invalid(asked[-1].field, problem)
    with_devices = [n for n, nic in enumerate(nics) if DEVICE_KINDS[nic.vnic_type] is not None]
    if len(with_devices) > RULED_NICS_MAX:
        raise Invalid(
            asked[0].field,
            f"rules are for servers of {RULED_NICS_MAX} NICs with devices at most; this one has "
            f"{len(with_devices)}",
        )
    found = (_rule_over(nics, with_devices, rule) for rule in asked)
    return tuple(dict.fromkeys(rule for rule in found if len(rule.nics) > 1))


def _rule_over(nics: Sequence[Nic], with_devices: Sequence[int], rule: AskedRule) -> NicRule:
    numbers = sorted({n for name in rule.nics for n in _named(nics, name, rule.field)})
    for number in numbers or with_devices:
        nic = nics[number]
        if DEVICE_KINDS[nic.vnic_type] is None:
            raise Invalid(
                rule.field,
                f"NIC {number} is of type {nic.vnic_type.value}, and has no device to be placed",
            )
        if nic.claim is not None and nic.claim.device_id is not None:
            raise Invalid(
                rule.field,
                f"the device of NIC {number} (port {nic.said}) was chosen by an admin already; "
                "leave that NIC out of the rule, or take the device back",
            )
    return NicRule(
        scope=rule.scope, apart=rule.apart, hard=rule.hard, nics=tuple(numbers or with_devices)
    )


def _named(nics: Sequence[Nic], name: NicName, field: str) -> list[int]:
    """Return the numbers of the NICs that one name of a rule means."""
    if name.by is Naming.NUMBER:
        if int(name.text) < len(nics):
            return [int(name.text)]
        raise Invalid(field, f"there is no NIC {name}: the server has {len(nics)}, counted from 0")
    if name.by is Naming.NETWORK:
        found = [n for n, nic in enumerate(nics) if name.text in (nic.network.id, nic.network.name)]
        found = [n for n in found if DEVICE_KINDS[nics[n].vnic_type] is not None]
        if not found:
            raise Invalid(field, f"the server has no NIC with a device on network {name.text!r}")
        return found
    ports = [(n, nic.port) for n, nic in enumerate(nics) if nic.port is not None]
    found = [n for n, port in ports if name.text in (port.id, port.name)]
    if len(found) > 1:
        raise Invalid(field, f"{len(found)} ports of the server are named {name.text!r}; use IDs")
    if not found:
        raise Invalid(field, f"the server has no port {name.text!r}")
    return found
