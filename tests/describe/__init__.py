"""Tests of the descriptions."""
