"""libvirt, as it is: guests, their disks and their consoles. Needs the extra `[host]`."""
