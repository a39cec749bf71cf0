"""Updates: one file a kind of component; an update that is cut short leaves the old version working."""
