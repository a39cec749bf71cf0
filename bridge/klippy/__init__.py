"""The printer below: Klippy's socket, its state, its status and its commands."""
