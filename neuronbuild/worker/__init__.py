"""The worker: one child process that compiles, converts and checks, in whatever interpreter a toolchain names.

It imports nothing of the package but itself, runs under Python 3.9 and later, and is spoken to in JSON. It is handed an
action's document and folders; it knows no store, no recipe and no release.
"""
