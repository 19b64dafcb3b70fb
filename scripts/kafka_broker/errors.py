"""What the script says instead of a traceback."""


class KafkaScriptError(Exception):
    """Something the caller can change; the text says what."""
