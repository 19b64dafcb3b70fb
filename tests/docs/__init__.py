"""What the documents say is held against what the program does."""
