"""Structured logs: JSON for machines, lines for people; our own and those of the libraries in one form."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

from fairlead.model.problem import escaped

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

FORMATS = ("auto", "json", "text")


def configure_logs(kind: str, level: str) -> None:
    """Send all logs of a level (debug, info, warning, error) to stderr as `kind`: json, text, or text on a terminal."""
    as_text = kind == "text" or (kind == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [
            _harmless,
            # Plain, since rich ones show local variables, and with them what nobody should read in a log.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ]
        if as_text
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("kopf", "aiohttp", "kubernetes", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level) if level != "debug" else logging.DEBUG)


def _harmless(_: object, __: str, event: EventDict) -> EventDict:
    """Keep others' text from what a terminal would obey; JSON has no such characters in the first place."""
    return {name: escaped(value) if isinstance(value, str) else value for name, value in event.items()}
