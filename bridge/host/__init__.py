"""The machine below: what it is and how it fares, with whatever of /proc and /sys there is."""
