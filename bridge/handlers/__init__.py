"""One file a capability, one capability a namespace."""
