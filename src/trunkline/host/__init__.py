"""Hands on the machine: the only place that knows pyroute2, sysfs and libvirt; and the fake."""
