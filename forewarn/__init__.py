"""The command `forewarn`: the only code that knows all five services."""
