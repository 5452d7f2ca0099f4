"""How `make lab-install` reads the page that it follows."""

from __future__ import annotations

import pytest

from lab import installed
from lab.installed import Block

PAGE = """
# Title

## One

```console
# apt install a \\
    b
# true
```

## Two

```console
$ ask "$(it)"
```

```toml
a = 1
```
"""


def test_commands_are_read_with_who_types_them_and_where() -> None:
    assert list(installed.blocks(PAGE)) == [
        Block("One", ("apt install a     b", "true"), as_root=True),
        Block("Two", ('ask "$(it)"',), as_root=False),
    ]
    assert installed.file_block(PAGE, "toml") == "a = 1\n"


def test_the_page_has_what_is_looked_for_in_it() -> None:
    page = installed.PAGE.read_text()
    sections = [(block.section, block.as_root) for block in installed.blocks(page)]
    assert sections == [
        ("Install it", True),
        ("Say what is cabled where", True),
        ("Enrol it", False),
        ("Enrol it", True),
        ("Start it", True),
    ]
    assert installed.file_block(page, "toml")


def test_a_block_that_says_not_who_types_it_is_refused() -> None:
    with pytest.raises(ValueError, match="One: some begin"):
        list(installed.blocks("## One\n```console\n# a\nb\n```\n"))
