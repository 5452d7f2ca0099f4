"""What needs root on a host: a closed list of operations, done here or by a helper process."""
