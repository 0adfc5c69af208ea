"""What is known of the URLs of one task, as one gateway has read it so far. No I/O.

Rows are added as the chunks of the task are read, and never change: of two rows of one place the first counts. So their
number tells any gateway how much of a task a client has seen.
"""

from collections.abc import Iterable, Sequence

from gateway.tasks.models import Probe

from .rows import Row, read_probe

URL_BYTES, ROW_BYTES = 150, 250
"""About how much memory a URL and a row take beside their texts."""


class ProbeTable:
    """The URLs of a task with their rows.

    `created_at`, as Redis has it, tells it from an earlier task of the same id. `next_chunk` is the number of the first
    chunk that was not read, `landed` has the places of the rows in the order in which they were saved.
    """

    def __init__(self, created_at: bytes, urls: list[str], text_bytes: int) -> None:
        self.created_at = created_at
        self.urls = urls
        self.landed: list[int] = []
        self.next_chunk = 0
        self.domains: list[str] | None = None
        self._rows: list[Row | None] = [None] * len(urls)
        self._text_bytes = text_bytes

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return self._text_bytes + URL_BYTES * len(self.urls) + ROW_BYTES * len(self.landed)

    @property
    def rows(self) -> Sequence[Row | None]:
        """The row of each URL; None while it is not known."""
        return self._rows

    def add_rows(self, rows: Iterable[Row], text_bytes: int) -> None:
        """Add the rows of one chunk of `text_bytes`."""
        self._text_bytes += text_bytes
        for row in rows:
            place = row[0]
            if 0 <= place < len(self.urls) and self._rows[place] is None:
                self._rows[place] = row
                self.landed.append(place)

    def list_probes(self, places: Iterable[int]) -> list[Probe]:
        """What is known of the URLs at these places."""
        return [read_probe(place, self.urls[place], self._rows[place]) for place in places]
