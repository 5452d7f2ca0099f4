"""The loop on each host: fetch, observe, plan, apply, read back, report."""
