"""The policy of an installation: the rules, with what its operator says in place of defaults."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from trunkline.domain.policy.all_rules import ALL_RULES
from trunkline.domain.policy.language import Asker, Check, Parsed, PolicyFault, Target, parse
from trunkline.domain.policy.rule import Rule

RULES_MAX: Final = 2000  # Some three times as many as there are.
CHAIN_MAX: Final = 32  # Rules that refer to rules that refer to rules…
NO_TARGET: Final[Target] = MappingProxyType({})
# A project that is nobody's: what is allowed on its things is allowed on everybody's.
_ANY_PROJECT: Final = ""


class Policy:
    """Decides by rules. Made once: a malformed one is refused then, not when it is asked."""

    def __init__(self, overrides: Mapping[str, str] | None = None) -> None:
        """Join the defaults and what an operator says instead.

        Args:
            overrides: Checks by rule name. A name that is none of ours may be used by others of
                these, as ``rule:NAME``.

        Raises:
            PolicyFault: One can't be parsed; nothing is decided by it; or it refers to a rule that
                there isn't, to itself, or to what the things it is about don't have.
        """
        overrides = overrides or {}
        if len(overrides) > RULES_MAX:
            raise PolicyFault(next(iter(overrides)), f"is one of more than {RULES_MAX} rules")
        self.overrides: Final = MappingProxyType(dict(overrides))
        self.texts: Final = MappingProxyType(
            {rule.name: rule.check for rule in ALL_RULES} | dict(overrides)
        )
        parsed = {name: parse(name, text) for name, text in self.texts.items()}
        _require_used(overrides, parsed)
        compiler = _Compiler(parsed)
        for name in overrides:  # First, so that a fault is told of what the operator wrote.
            compiler.compile(name)
        for rule in ALL_RULES:
            _require_attributes(rule, compiler, overrides)
        self._checks: dict[str, Check] = compiler.checks

    def allows(self, rule: Rule, asker: Asker, target: Target = NO_TARGET) -> bool:
        """Say whether the caller may do what the rule is about to the thing concerned."""
        assert len(target) == len(rule.target), f"{rule.name} asks for {rule.target}"
        if asker.is_system and rule.needs_project:
            return False
        return self._checks[rule.name](asker, target)

    def allows_on_all(self, rule: Rule, asker: Asker) -> bool:
        """Say whether the caller may do it to the things of every project and user."""
        return self.allows(rule, asker, dict.fromkeys(rule.target, _ANY_PROJECT))


class _Compiler:
    """Makes checks of parsed rules, those that a rule refers to before itself."""

    def __init__(self, parsed: Mapping[str, Parsed]) -> None:
        self._parsed = parsed
        self.checks: dict[str, Check] = {}
        self.attributes: dict[str, frozenset[str]] = {}  # Asked for by a rule, and by its rules.

    def compile(self, name: str, under: tuple[str, ...] = ()) -> None:
        """Compile one rule; `under` are those that lead to it."""
        if name in self.checks:
            return
        if name in under:
            chain = " -> ".join((*under[under.index(name) :], name))
            raise PolicyFault(under[0], f"refers to itself: {chain}")
        if len(under) == CHAIN_MAX:
            raise PolicyFault(under[0], f"refers to rules in a chain of more than {CHAIN_MAX}")
        parsed = self._parsed[name]
        attributes = parsed.attributes
        for other in sorted(parsed.rules):
            if other not in self._parsed:
                raise PolicyFault(
                    name, f"refers to rule:{other}, which there is not{_like(other, self._parsed)}"
                )
            self.compile(other, (*under, name))
            attributes |= self.attributes[other]
        self.attributes[name] = attributes
        self.checks[name] = parsed.compile(self.checks.__getitem__)


def _require_used(overrides: Mapping[str, str], parsed: Mapping[str, Parsed]) -> None:
    """Refuse a rule by which nothing is ever decided: most likely its name is mistyped."""
    ours = {rule.name for rule in ALL_RULES}
    used, new = set(ours), list(ours)
    while new:
        found = parsed[new.pop()].rules - used
        used |= found
        new.extend(found & parsed.keys())
    for name in overrides:
        if name not in used:
            raise PolicyFault(
                name, f"nothing is decided by a rule of this name{_like(name, sorted(ours))}"
            )


def _require_attributes(rule: Rule, compiler: _Compiler, overrides: Mapping[str, str]) -> None:
    compiler.compile(rule.name)
    unknown = compiler.attributes[rule.name] - set(rule.target)
    if not unknown:
        return
    have = ", ".join(f"%({name})s" for name in rule.target) or "nothing"
    at_fault = rule.name if rule.name in overrides else next(iter(overrides), rule.name)
    raise PolicyFault(
        at_fault,
        f"{rule.name} would ask for %({min(unknown)})s, and what it is about has {have} to compare",
    )


def _like(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.7)
    return f"; there is {', '.join(close)}" if close else "; `trunkline policy list` shows them all"


DEFAULT_POLICY: Final = Policy()
