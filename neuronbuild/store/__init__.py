"""Artifacts by action key, blobs by digest. Knows nothing of recipes or compilers."""
