"""Care of a whole store: verify, restore, prune, statistics."""
