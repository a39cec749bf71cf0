"""Home Assistant discovery: one table of entities, one message a device."""
