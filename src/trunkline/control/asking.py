"""What the flavor and the image of a server ask about where its devices are.

The words are Nova's where it has them. A policy of a port goes before that of its server, and that
of a server before that of an alias; a flavor and an image that contradict each other are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.domain.errors import Invalid
from trunkline.domain.image import Image
from trunkline.domain.nic_rules import NumaPolicy

NUMA_KEY: Final = "hw:pci_numa_affinity_policy"  # Of a flavor.
NUMA_PROPERTY: Final = "hw_pci_numa_affinity_policy"  # Of an image.


def check_extra_specs(specs: Mapping[str, str]) -> None:
    """Raise `Invalid` if extra specs of a flavor that we read are malformed."""
    numa_policy_of(specs)


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
