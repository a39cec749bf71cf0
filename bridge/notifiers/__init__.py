"""Notifiers: what happens to a print, as messages to people."""
