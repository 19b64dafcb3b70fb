"""Routes of the notify service: parse, one use case, show. Everybody reads his own inbox and those of his roles."""

from typing import Final

from services.notify.api import inbox, stream

ROUTERS: Final = (inbox.router, stream.router)
