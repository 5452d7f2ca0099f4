"""Which host and which devices. Pure: it decides, it reserves nothing."""
