"""``python3 -m tests.lab.as_user ARGV``: be ``trunkline ARGV`` as the agent's user, for good."""

from __future__ import annotations

import os
import pwd
import runpy

AGENT = "trunkline"


def become(user: str) -> None:
    """Be this user from now on, in its groups, with none of root's powers."""
    entry = pwd.getpwnam(user)
    os.initgroups(user, entry.pw_gid)
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)


if __name__ == "__main__":
    become(AGENT)
    runpy.run_module("trunkline", run_name="__main__", alter_sys=True)
