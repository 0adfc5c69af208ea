"""CSV injection (OWASP): a cell that a spreadsheet would run as a formula gets an apostrophe, which makes it text."""

import re

_BEGIN = r"[=+\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20]"
"""The last four are the first four in full width."""
_FORMULA = re.compile(f"'*{_BEGIN}")
_ESCAPED = re.compile(f"''*{_BEGIN}")


def add_apostrophe(cell: str) -> str:
    """The cell, with an apostrophe in front if it could be a formula, or would be one without its apostrophes."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def remove_apostrophe(cell: str) -> str:
    """The cell that `add_apostrophe` was given."""
    return cell[1:] if _ESCAPED.match(cell) else cell
