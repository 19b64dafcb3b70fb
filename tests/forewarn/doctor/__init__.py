"""Each thing is broken for real, and named."""
