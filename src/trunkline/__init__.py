"""Trunkline: network cards for KVM servers that are slices of real hardware."""
