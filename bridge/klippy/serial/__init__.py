"""A printer on a serial line: a Klippy in miniature over the line protocol of its firmware."""
