"""Preconditions and ranges of RFC 9110, without a file or a server."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers
from werkzeug.http import http_date

from gateway.web.conditional import (
    Plan,
    PreconditionFailed,
    RangeNotSatisfiable,
    Span,
    Validators,
    check_change,
    encode_disposition,
    parse_range,
    plan_answer,
)

ENDLESS_DATE = f"Mon, {'9' * 20} Jan 2020 00:00:00 GMT"
MODIFIED = datetime(2024, 5, 6, 7, 8, 9, 654321, tzinfo=UTC)
VALIDATORS = Validators("a-1", MODIFIED)
WHOLE = (Span(0, 100),)

RANGES: dict[str, tuple[Span, ...] | None] = {
    "bytes=0-0": (Span(0, 1),),
    "bytes=0-": WHOLE,
    "bytes=0-99": WHOLE,
    "bytes=0-100": WHOLE,
    "bytes=10-19": (Span(10, 20),),
    "bytes=99-": (Span(99, 100),),
    "bytes=90-1000000": (Span(90, 100),),
    "bytes=-1": (Span(99, 100),),
    "bytes=-100": WHOLE,
    "bytes=-101": WHOLE,
    "bytes=0-" + "9" * 5000: WHOLE,
    "bytes=-" + "9" * 5000: WHOLE,
    "bytes=0000000000000000000000000000010-11": (Span(10, 12),),
    "BYTES=1-2": (Span(1, 3),),
    " bytes= 1-2 ": (Span(1, 3),),
    "bytes=0-1,5-6": (Span(0, 2), Span(5, 7)),
    "bytes=5-6 , 0-1": (Span(5, 7), Span(0, 2)),
    "bytes=,0-1,,5-6,": (Span(0, 2), Span(5, 7)),
    "bytes=0-1,200-300": (Span(0, 2),),
    "bytes=0-1,-1": (Span(0, 2), Span(99, 100)),
    "bytes=100-": (),
    "bytes=100-200": (),
    "bytes=-0": (),
    "bytes=" + "9" * 5000 + "-": (),
    "bytes=200-300,400-500": (),
    "bytes=5-4": None,
    "bytes=-": None,
    "bytes=": None,
    "bytes": None,
    "": None,
    "bytes=a-b": None,
    "bytes=1-2-3": None,
    "bytes=+1-2": None,
    "bytes=1-2;3-4": None,
    "bytes=١-٢": None,
    "items=0-1": None,
    "bytes=0-1,x": None,
    "bytes=0-99,0-99": None,
    "bytes=" + ",".join(f"{n}-{n}" for n in range(17)): None,
}


@pytest.mark.parametrize(("value", "spans"), RANGES.items(), ids=lambda value: str(value)[:30])
def test_parse_range(value: str, spans: tuple[Span, ...] | None) -> None:
    """Single, open, suffix and several ranges; none of them satisfiable; and those to be ignored."""
    assert parse_range(value, 100) == spans


def test_range_of_nothing() -> None:
    """A file without bytes has none to give."""
    assert parse_range("bytes=0-", 0) == ()
    assert parse_range("bytes=-5", 0) == ()


@given(st.text("bytes=0123456789-, \t", max_size=40).map("bytes=".__add__), st.integers(0, 50))
def test_any_range(value: str, size_bytes: int) -> None:
    """Whatever is asked, what is given lies in the file and is no more than the file."""
    spans = parse_range(value, size_bytes)
    for span in spans or ():
        assert 0 <= span.start < span.end <= size_bytes
    assert sum(span.end - span.start for span in spans or ()) <= size_bytes


def plan(*, is_get: bool = True, **headers: str) -> int:
    """The status of the plan for these headers."""
    return plan_status(headers, is_get=is_get)


def plan_status(headers: dict[str, str], *, is_get: bool = True) -> int:
    """The status of the plan for these headers."""
    named = Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return plan_answer(named, VALIDATORS, 100, is_get=is_get).status


EARLIER, SAME, LATER = (http_date(MODIFIED + timedelta(seconds=shift)) for shift in (-1, 0, 1))


def test_without_conditions() -> None:
    """A request without conditions gets the whole."""
    assert plan_answer(Headers(), VALIDATORS, 100, is_get=True).spans == WHOLE


@pytest.mark.parametrize(
    ("value", "status"),
    [('"a-1"', 304), ('W/"a-1"', 304), ("*", 304), ('"x", "a-1"', 304), ('"x"', 200), ("", 200), ("a-1", 304)],
)
def test_if_none_match(value: str, status: int) -> None:
    """If-None-Match compares weakly; werkzeug forgives missing quotation marks."""
    assert plan(If_None_Match=value) == status
    assert plan(is_get=False, If_None_Match=value) == status


@pytest.mark.parametrize(("value", "status"), [(EARLIER, 200), (SAME, 304), (LATER, 304), ("soon", 200)])
def test_if_modified_since(value: str, status: int) -> None:
    """If-Modified-Since compares whole seconds, and an invalid date says nothing."""
    assert plan(If_Modified_Since=value) == status
    assert plan(If_Modified_Since=value, If_None_Match='"x"') == 200


@pytest.mark.parametrize(
    ("name", "value", "passes"),
    [
        ("If_Match", '"a-1"', True),
        ("If_Match", "*", True),
        ("If_Match", 'W/"a-1"', False),
        ("If_Match", '"x"', False),
        ("If_Unmodified_Since", EARLIER, False),
        ("If_Unmodified_Since", SAME, True),
        ("If_Unmodified_Since", "soon", True),
    ],
)
def test_preconditions(name: str, value: str, passes: bool) -> None:  # noqa: FBT001
    """If-Match compares strongly and goes before If-Unmodified-Since."""
    if passes:
        assert plan_status({name: value}) == 200
    else:
        with pytest.raises(PreconditionFailed):
            plan_status({name: value})
        assert plan_status({name: value, "If_Match": '"a-1"'}) == 200


@pytest.mark.parametrize("name", ["If-None-Match", "If-Match"])
def test_several_lines(name: str) -> None:
    """Several lines of one header are one list (RFC 9110, 5.3)."""
    expected = 304 if name == "If-None-Match" else 200
    for first, second in (('"x"', '"a-1"'), ('"a-1"', '"x"')):
        headers = Headers([(name, first), ("Accept", "*/*"), (name, second)])
        assert plan_answer(headers, VALIDATORS, 100, is_get=True).status == expected


def test_without_a_time() -> None:
    """What has no time of change is compared by its entity tag alone; dates are ignored."""
    dates = {"If-Modified-Since": LATER, "If-Unmodified-Since": EARLIER, "If-Range": SAME}
    headers = Headers(dates | {"Range": "bytes=1-"})
    validators = Validators("a-1")
    assert plan_answer(headers, validators, 100, is_get=True) == Plan(200, WHOLE)
    assert validators.headers == {"ETag": '"a-1"'}


CHANGES = [
    # header, value, whether a file may be changed, whether there may be none
    ("If-Match", '"a-1"', True, False),
    ("If-Match", '"x", "a-1"', True, False),
    ("If-Match", "*", True, False),
    ("If-Match", 'W/"a-1"', False, False),
    ("If-Match", '"x"', False, False),
    ("If-None-Match", "*", False, True),
    ("If-None-Match", '"a-1"', False, True),
    ("If-None-Match", 'W/"a-1"', False, True),
    ("If-None-Match", '"x"', True, True),
    ("If-Unmodified-Since", EARLIER, False, True),
    ("If-Unmodified-Since", SAME, True, True),
    ("If-Unmodified-Since", "soon", True, True),
    ("If-Modified-Since", LATER, True, True),
]


@pytest.mark.parametrize(("name", "value", "changes", "creates"), CHANGES)
def test_change(name: str, value: str, changes: bool, creates: bool) -> None:  # noqa: FBT001
    """A request that changes a file, or makes one, is refused where a condition of it is false."""
    for validators, passes in ((VALIDATORS, changes), (None, creates)):
        if passes:
            check_change(Headers({name: value}), validators)
        else:
            with pytest.raises(PreconditionFailed):
                check_change(Headers({name: value}), validators)


@pytest.mark.parametrize(
    ("value", "status"),
    [('"a-1"', 206), ('W/"a-1"', 200), ('"x"', 200), (SAME, 206), (EARLIER, 200), (LATER, 200), ("x", 200)],
)
def test_if_range(value: str, status: int) -> None:
    """A part is given only of the file that the client has."""
    assert plan(Range="bytes=0-1", If_Range=value) == status


@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since", "If-Range"])
def test_no_date(name: str) -> None:
    """A date of figures that no machine holds is no date: its header is ignored, or matches nothing."""
    assert plan_answer(Headers({name: ENDLESS_DATE}), VALIDATORS, 100, is_get=True) == Plan(200, WHOLE)


def test_time_to_come() -> None:
    """A file whose time is yet to come has a Last-Modified of now (RFC 9110, 8.8.2.1)."""
    headers = Validators("a-1", datetime.max.replace(tzinfo=UTC)).headers
    assert parsedate_to_datetime(headers["Last-Modified"]) <= datetime.now(UTC)
    assert Validators("a-1", MODIFIED).headers["Last-Modified"] == "Mon, 06 May 2024 07:08:09 GMT"


def test_if_range_too_fresh() -> None:
    """A date that is not yet over is no strong validator."""
    now = datetime.now(UTC)
    headers = Headers({"Range": "bytes=0-1", "If-Range": http_date(now)})
    assert plan_answer(headers, Validators("a", now), 100, is_get=True).status == 200


def test_range_counts_with_get_alone() -> None:
    """HEAD ignores Range; 304 goes before it; an unsatisfiable one tells the size."""
    assert plan(is_get=False, Range="bytes=0-1") == 200
    assert plan(Range="bytes=0-1", If_None_Match="*") == 304
    assert plan(Range="lines=0-1") == 200
    with pytest.raises(RangeNotSatisfiable) as raised:
        plan(Range="bytes=100-")
    assert raised.value.headers == {"Content-Range": "bytes */100"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.mp3", "attachment; filename=\"a.mp3\"; filename*=UTF-8''a.mp3"),
        ('a "b"\\%.mp3', "attachment; filename=\"a _b___.mp3\"; filename*=UTF-8''a%20%22b%22%5C%25.mp3"),
        ("日.mp3", "attachment; filename=\"_.mp3\"; filename*=UTF-8''%E6%97%A5.mp3"),
        ("a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
    ],
)
def test_disposition(name: str, expected: str) -> None:
    """Every name travels in ASCII for old clients and whole for new ones, and none breaks the header."""
    assert encode_disposition("attachment", name) == expected
