"""Records of aiokafka in the words of the port."""

from typing import Any

from shared.messaging.bus import Record


def record_of(record: Any) -> Record:
    """The same bytes; a value or header that others have sent as null is empty."""
    headers = record.headers
    for _, value in headers:
        if value is None:
            headers = tuple((name, value or b"") for name, value in headers)
            break
    return Record(record.topic, record.partition, record.offset, record.key, record.value or b"", headers)
