"""`trunkline policy`: what the policy's rules are, and whether a file of them can be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import click

from trunkline.bootstrap.policy_file import read_policy
from trunkline.cli.context import Failed, Teaching, TeachingGroup
from trunkline.cli.exit_codes import ExitCode
from trunkline.domain.policy.all_rules import ALL_RULES, RULES_BY_FACE
from trunkline.domain.policy.policy import DEFAULT_POLICY, Policy
from trunkline.domain.policy.rule import Rule

_FILE: Final = click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The policy file that controller.toml names. Left out: the defaults.",
)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("policy", cls=TeachingGroup)
def policy() -> None:
    r"""Show the rules that say who may do what, and check a file of your own.

    They work on files alone: no service is asked.

    \b
    Examples:
      trunkline policy list
      trunkline policy check policy.yaml
    """


@policy.command("list", cls=Teaching)
@_FILE
@_JSON
def list_rules(file: Path | None, *, as_json: bool) -> None:
    r"""Print every rule as a line of a policy file, each under what it allows.

    Rules that --file changes stand as they are; the defaults are commented out, so that what is
    printed can be edited and used.

    \b
    Examples:
      trunkline policy list > policy.yaml
      trunkline policy list --file policy.yaml
    """
    known = DEFAULT_POLICY if file is None else read_policy(file)
    if as_json:
        click.echo(json.dumps([_item(rule, known) for rule in ALL_RULES], indent=2))
        return
    for face, rules in RULES_BY_FACE.items():
        click.echo(f"# --- {face}\n")
        for rule in rules:
            click.echo(_line(rule, known) + "\n")
    ours = {rule.name for rule in ALL_RULES}
    for name in sorted(known.overrides.keys() - ours):
        click.echo(f"{json.dumps(name)}: {json.dumps(known.texts[name])}")


@policy.command("show", cls=Teaching)
@click.argument("name")
@_FILE
@_JSON
def show_rule(name: str, file: Path | None, *, as_json: bool) -> None:
    r"""Print what one rule allows, to whom, and which of a thing's attributes it can compare.

    \b
    Examples:
      trunkline policy show create_port:binding:host_id
    """
    known = DEFAULT_POLICY if file is None else read_policy(file)
    for rule in ALL_RULES:
        if rule.name == name:
            item = _item(rule, known)
            text = "\n".join(f"{key:12}{_words(value)}" for key, value in item.items())
            click.echo(json.dumps(item, indent=2) if as_json else text)
            return
    raise Failed(
        f"nothing is decided by a rule {name!r}; `trunkline policy list` shows them all",
        ExitCode.REFUSED,
    )


@policy.command("check", cls=Teaching)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def check_file(file: Path) -> None:
    r"""Say whether a policy file can be used; if not, in which line and what to do.

    \b
    Examples:
      trunkline policy check policy.yaml
    """
    known = read_policy(file)
    ours = {rule.name: rule for rule in ALL_RULES}
    alike = [name for name, text in known.overrides.items() if _default(ours, name) == text]
    count = len(known.overrides)
    click.echo(f"{file}: {count} rule{'' if count == 1 else 's'}, can be used")
    for name in alike:
        click.echo(f"  {name} says what it says by default: the line can go")


def _default(ours: dict[str, Rule], name: str) -> str | None:
    return ours[name].check if name in ours else None


def _line(rule: Rule, known: Policy) -> str:
    said = f"{json.dumps(rule.name)}: {json.dumps(known.texts[rule.name])}"
    return f"# For {rule.about}.\n{said if rule.name in known.overrides else '#' + said}"


def _item(rule: Rule, known: Policy) -> dict[str, object]:
    return {
        "name": rule.name,
        "allows": rule.about,
        "rule": known.texts[rule.name],
        "default": rule.check,
        "compares": list(rule.target),
        "tokens": list(rule.scope_types),
    }


def _words(value: object) -> str:
    return ", ".join(value) or "-" if isinstance(value, list) else str(value)
