"""Announcements: entries of feeds and of the bridge itself, and which of them people have seen."""
