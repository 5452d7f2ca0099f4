"""The one place that joins parts: real clock, real store, real or simulated hosts."""
