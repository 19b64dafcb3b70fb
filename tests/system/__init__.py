"""Stories on whole installations: real processes, started, fed and killed from outside."""
