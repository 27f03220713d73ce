"""Carries a plan out: joins plan, toolchain and store. Knows nothing of releases or of how models are loaded."""
