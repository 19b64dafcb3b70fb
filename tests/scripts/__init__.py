"""The programs for developers."""
