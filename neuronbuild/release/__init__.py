"""Manifests and a snapshot to a folder that ships. Works offline, from a store and the model's files."""
