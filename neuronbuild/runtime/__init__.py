"""Loads a release and runs it. No compiler, store or recipe is imported, and no environment is read."""
