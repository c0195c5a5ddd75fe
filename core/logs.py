"""What the processes say of themselves: one event a line, whatever it quotes.

A line that somebody else's words could end, colour or turn around would let them write lines of ours: so
control characters, the separators that some programs take for an end of line, and the marks that change the
direction of text are written as escapes, and a line is cut where it gets long.
"""

from __future__ import annotations

import logging
import re
import sys

LONGEST = 4000
"""Characters of one line."""
_CONTROL = "\x00-\x1f\x7f-\x9f"
_SEPARATORS = "\u2028\u2029"
_DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_ACTIVE = re.compile(f"[{_CONTROL}{_SEPARATORS}{_DIRECTION}\ud800-\udfff]")


def one_line(text: str) -> str:
    """Return a text as one line that does nothing but be read, cut after `LONGEST` characters."""
    plain = _ACTIVE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}… ({len(plain)} characters)"


class Lines(logging.Formatter):
    """Time, level, who says it, and what; a traceback follows line by line, each marked as part of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of one event."""
        when = self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z")
        lines = [f"{when} {record.levelname} {record.name}: {one_line(record.getMessage())}"]
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            lines += [f"  | {one_line(line)}" for line in trace.split("\n")]
        return "\n".join(lines)


def install() -> None:
    """Write what is logged to the error stream, in lines of this form; called once where a process begins."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
