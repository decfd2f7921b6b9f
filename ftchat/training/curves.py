"""A run's curves as a TensorBoard event file: `tensorboard --logdir data/runs`.

An event file is a row of records, each a length, a masked CRC-32C of it, a protocol buffer, and a CRC of that. Only
scalars are written, so a page of code stands in for the tensorboard package, which would bring thirty megabytes and a
web server. It knows the metrics' events and not how they came about.
"""

import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

# Which numbers of which event become which curve.
CURVES = {
    "step": {"loss": "train/loss", "lr": "train/learning_rate", "grad_norm": "train/gradient_norm"},
    "tune": {"loss": "tune/loss", "nll": "tune/nats_a_token", "preferred": "tune/pairs_preferred"},
}


class Curves:
    """One event file; `take` is given every event of the metrics."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Write the event's numbers, if it has curves."""
        names = CURVES.get(event["event"], {})
        values = {curve: event[key] for key, curve in names.items() if event.get(key) is not None}
        if event["event"] == "step":
            values |= {f"parts/{part}": value for part, value in event["parts"].items()}
        if values:
            if self._file is None:
                self._file = self._opened()
                self._write(_text(3, "brain.Event:2"))
            scalars = b"".join(_bytes(1, _text(1, curve) + _single(2, value)) for curve, value in values.items())
            self._write(_whole(2, int(event["step"])) + _bytes(5, scalars))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _opened(self) -> IO[bytes]:
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time_ns() // 10**9:010d}.ftchat.{os.getpid()}"
        return (self._folder / name).open("ab")

    def _write(self, rest: bytes) -> None:
        """One record, in the file before this returns: the event's time, then the rest of it."""
        body = struct.pack("<Bd", 1 << 3 | 1, time.time()) + rest
        length = struct.pack("<Q", len(body))
        if self._file is not None:
            self._file.write(length + _checked(length) + body + _checked(body))
            self._file.flush()


# Protocol buffers: a key is a field number and the kind of what follows.


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _whole(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _single(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


# CRC-32C (Castagnoli), masked as TFRecord files have it.


def _row(number: int) -> int:
    for _ in range(8):
        number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
    return number


_TABLE = tuple(_row(number) for number in range(256))


def _checked(body: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in body:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
