"""That what was written is on the disk: after a power cut, too. It knows nothing of what is written."""

import os
from pathlib import Path


def flush(path: Path) -> None:
    """Make sure that a file, or a folder's entries, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
