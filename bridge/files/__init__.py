"""The files below the roots: an index kept true, what can be done to them, uploads, archives."""
