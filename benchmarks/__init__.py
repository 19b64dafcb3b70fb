"""Speed, measured beside raw baselines of the same run; run by hand and in review, never as timed tests."""
