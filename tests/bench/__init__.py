"""weir's benchmark: see auto/bench --help."""
