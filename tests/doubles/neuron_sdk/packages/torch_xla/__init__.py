"""A double: nothing of it is called."""
