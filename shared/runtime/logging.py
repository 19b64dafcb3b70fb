"""One configuration of logging for every process: structlog and the standard library end in the same lines on stderr.

Who logs binds context (`service`, `task`, a request's id) with structlog's context variables.
"""

import logging
import sys
from typing import Any, Literal

import structlog
from structlog.typing import Processor

Format = Literal["console", "json"]


def configure_logging(level: str = "INFO", style: Format | None = None) -> None:
    """Send all logging to stderr: readable lines on a terminal, one JSON object a line elsewhere, or as told."""
    style = style or ("console" if sys.stderr.isatty() else "json")
    enrich: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=enrich,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_render(style)],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    # Alembic's and uvicorn's routine messages say nothing that ours do not.
    for chatty in ("alembic", "httpx", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *enrich,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def bind_log_context(**fields: Any) -> None:
    """Add fields to every line logged from here on in this task and the tasks it starts."""
    structlog.contextvars.bind_contextvars(**fields)


def _render(style: Format) -> list[Processor]:
    # Never the local variables of a traceback's frames, which both renderers show by default: they hold whole rows.
    if style == "console":
        return [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    return [
        structlog.processors.EventRenamer("message"),
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
