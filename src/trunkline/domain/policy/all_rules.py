"""All rules, by face."""

from __future__ import annotations

from typing import Final

from trunkline.domain.policy import (
    compute_rules,
    identity_rules,
    image_rules,
    network_rules,
    placement_rules,
    trunkline_rules,
)
from trunkline.domain.policy.rule import BASE_RULES

RULES_BY_FACE: Final = {
    "what others are made of": BASE_RULES,
    "identity": identity_rules.RULES,
    "network": network_rules.RULES,
    "compute": compute_rules.RULES,
    "image": image_rules.RULES,
    "placement": placement_rules.RULES,
    "trunkline": trunkline_rules.RULES,
}
ALL_RULES: Final = tuple(rule for rules in RULES_BY_FACE.values() for rule in rules)
