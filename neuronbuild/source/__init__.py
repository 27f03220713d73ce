"""Where models come from: the Hub, a folder, a Python package. Knows nothing of recipes, stores or compilers."""
