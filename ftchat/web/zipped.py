"""Files as one zip that is sent while it is written, so that its size does not matter.

Nothing is compressed: weights do not shrink. The same files give the same bytes.
"""

import zipfile
from collections.abc import Iterator, Mapping
from io import RawIOBase
from pathlib import Path
from typing import Any

_PORTION = 1 << 20
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can tell


class _Sink(RawIOBase):
    """What was written to it since the last look."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def zipped(files: Mapping[str, Path]) -> Iterator[bytes]:
    """The zip, portion by portion; files by their names in it."""
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as made:
        for name, path in files.items():
            entry = zipfile.ZipInfo(name, date_time=_LONG_AGO)
            entry.external_attr = 0o644 << 16
            with path.open("rb") as source, made.open(entry, "w", force_zip64=True) as target:
                while portion := source.read(_PORTION):
                    target.write(portion)
                    yield sink.taken()
            yield sink.taken()
    yield sink.taken()
