"""Figures from around the printer, and what becomes of them in the record of a job."""
