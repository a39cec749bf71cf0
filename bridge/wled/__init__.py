"""Light strips that run WLED."""
