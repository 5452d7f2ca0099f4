"""Why a request does not fit, and the least that would have to change."""
