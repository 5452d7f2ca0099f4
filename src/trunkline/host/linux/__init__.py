"""The kernel of a Linux host: sysfs and rtnetlink, read here and written through `privileged`."""
