"""Who is told what: an inbox for every person, filled from the warnings."""
