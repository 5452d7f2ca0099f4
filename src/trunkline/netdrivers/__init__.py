"""Network drivers: what each kind of network demands of a device, and what it refuses."""
