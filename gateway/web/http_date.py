"""Dates in the headers of a request (RFC 9110, 5.6.7), as strangers send them. Pure."""

from datetime import datetime

from werkzeug.http import parse_date


def read_date(value: str | None) -> datetime | None:
    """The date of a header; None if there is none, or if it is no date: then the header is ignored (13.1.3)."""
    try:
        return parse_date(value)
    except OverflowError:  # a figure of 20 digits
        return None
