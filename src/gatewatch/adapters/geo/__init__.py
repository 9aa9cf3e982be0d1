"""Places and networks of addresses, from the operator's MMDB files."""
