"""Cameras: which there are, and their pictures."""
