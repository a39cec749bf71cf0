"""Thin HTTP and WebSocket doors that keep Moonraker's and OctoPrint's clients working."""
