"""Object storage: bytes by name in a folder, in memory, or on a server of any kind. Knows nothing of artifacts."""
