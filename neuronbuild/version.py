"""The version of this package, and nothing else, so that anybody may import it."""

__version__ = "0.1.0"
