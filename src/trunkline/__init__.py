"""Trunkline: network cards for KVM servers that are slices of real hardware."""

__version__ = "0.1.0"
