"""An operator's policy file: rules by name, in the plain YAML that oslo writes its own in.

"create_network:provider:physical_network": "rule:admin_only or role:network_admin"
"""

from __future__ import annotations

from pathlib import Path

from trunkline.bootstrap.toml_reading import FILE_BYTES_MAX, InvalidConfig
from trunkline.client.plain_yaml import NotPlainYaml, key_lines, parse
from trunkline.domain.policy.language import PolicyFault
from trunkline.domain.policy.policy import Policy


def read_policy(path: Path) -> Policy:
    """Return the policy with what the file says in place of the defaults.

    Raises:
        InvalidConfig: It can't be read or used; the fault is told with its line and what to do.
    """
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
        text = content.decode()
    except OSError as problem:
        raise InvalidConfig(path, [f"it can't be read: {problem.strerror}"]) from problem
    except UnicodeDecodeError as problem:
        raise InvalidConfig(path, ["it is not UTF-8 text"]) from problem
    if len(content) > FILE_BYTES_MAX:
        raise InvalidConfig(path, [f"it is larger than {FILE_BYTES_MAX} bytes"])
    try:
        said = parse(text)
    except NotPlainYaml as problem:
        raise InvalidConfig(path, [f'{problem}; write lines of "NAME": "RULE"']) from problem
    lines = key_lines(text)
    for name, check in said.items():
        if not isinstance(check, str):
            fault = f'{name}: no rule follows; write one on the line, "@" to allow it to everybody'
            raise InvalidConfig(path, [f"line {lines.get(name, 1)}: {fault}"])
    try:
        return Policy(said)
    except PolicyFault as problem:
        raise InvalidConfig(path, [f"line {lines.get(problem.rule, 1)}: {problem}"]) from problem
