"""The simulator: world, clock, faults, workload, auditor, trace."""
