"""YAML text to targets. Pure but for one read: knows nothing of models' contents, stores or compilers."""
