"""Records that builders, releases and the runtime agree on: frozen data, no behaviour beyond checks of themselves."""
