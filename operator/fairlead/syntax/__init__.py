"""From what people write to a workflow that can be planned, or to everything that is wrong with it."""

from fairlead.syntax.document import parse_spec

__all__ = ["parse_spec"]
