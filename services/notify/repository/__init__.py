"""Where lines, reads and the log of what was said are kept."""
