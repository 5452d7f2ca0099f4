"""Which tests are run, and for which reason of the closed list the others are not."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("exclusions.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The content of exclusions.toml."""

    trees: tuple[str, ...]
    reasons: Mapping[str, str]
    excluded: Mapping[str, str]  # Name of a package, module, class or test → reason.
    skips: Mapping[str, str]  # What tempest says when it skips, a regular expression → reason.

    def rule_for(self, test: str) -> str | None:
        """Return the name by which a test is excluded: the most specific one."""
        name = test
        while name and name not in self.excluded:
            name = name.rpartition(".")[0]
        return name or None

    def reason_to_skip(self, said: str) -> str | None:
        """Return the reason that tempest's own words stand for; None: they stand for none."""
        found = (reason for words, reason in self.skips.items() if re.search(words, said))
        return next(found, None)

    def stale(self, tests: Iterable[str]) -> set[str]:
        """Return the exclusions by which none of these tests is excluded."""
        return set(self.excluded) - {self.rule_for(test) for test in tests}


def load_rules(file: Path = FILE) -> Rules:
    """Read the rules; a name excluded twice is a mistake."""
    content = tomllib.loads(file.read_text())
    excluded: dict[str, str] = {}
    for reason, names in content["excluded"].items():
        for name in names:
            assert name not in excluded, f"{name} is excluded twice"
            excluded[name] = reason
    return Rules(
        trees=tuple(content["trees"]),
        reasons=content["reasons"],
        excluded=excluded,
        skips={words: reason for reason, said in content["skips"].items() for words in said},
    )
