"""A login that Gatewatch protects. See `app`."""
