"""Time limits of tests. They end what hangs and measure nothing: a busy machine takes many times as long as a quiet one."""

from __future__ import annotations

SOON = 180.0
"""Seconds for what takes moments on a quiet machine: a process starts or ends, a server answers, a file appears."""

LONG = 3600.0
"""Seconds for what takes minutes: compiling, or waiting for someone who compiles."""
