"""What time causes in the credit service: beats for sources that promise no rhythm."""

from services.credit.repository import documents
from shared.context import Context
from shared.messaging import sources


async def beat(context: Context) -> bool:
    """Beat for sources without a rhythm of their own."""
    return await sources.beat_without_rhythm(documents, context)
