"""What can be set by one plain value: the kinds of controls, their checks, and what they do."""
