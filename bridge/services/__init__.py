"""Services of the machine below: who runs them, which of them may be touched, and how they are."""
