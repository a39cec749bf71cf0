"""Devices that are switched: one file a kind of link, and what switches them by itself."""
