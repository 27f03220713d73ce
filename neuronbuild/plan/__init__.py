"""What must be built, and why. Pure: no clock, no disk, no network, no environment; what it needs is handed in."""
