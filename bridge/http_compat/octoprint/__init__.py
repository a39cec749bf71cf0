"""OctoPrint's API in shape: what it does goes through the table, what it tells comes from the status."""
