"""G-code files: what the slicer wrote into them, and the pictures it left there."""
