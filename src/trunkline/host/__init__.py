"""Hands on the machine: the only place that knows netlink, sysfs and libvirt; and the fakes."""
