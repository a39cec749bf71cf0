"""Spoolman: which spool is in use, and how much of it."""
