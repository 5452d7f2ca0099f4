"""Checks what the demonstration claims, against the raw files of the simulated machines.

Stands alone: it imports nothing of Trunkline and runs as a process of its own, in the folder above
this one, so that a mistake of Trunkline can't make it blind. It reads the fleet file (which card is
cabled to what), and each host's `kernel.json`, `hypervisor.json` and logs of attempted writes.

    python -m checker DIR --snapshot FILE    keep what is there now, to compare with later
    python -m checker DIR CLAIMS             check claims; exit 0 only if every one holds

CLAIMS is a JSON list of objects: `says` (words), `check` (a name of `claims.CHECKS`), and its
arguments.
"""
