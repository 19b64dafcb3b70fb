"""Rules the whole source has to keep, each of which can be seen to fail."""
