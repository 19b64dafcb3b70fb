"""`forewarn replay`: documents from a file, through the public API, with beats that never promise too much."""
