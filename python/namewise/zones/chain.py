"""What the state database (`store.py`) keeps of a zone, and its errors: apart from the database, which most servers do not open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from namewise.engine.errors import NamewiseError

if TYPE_CHECKING:
    from typing import TypeAlias

    from namewise.engine import Zone
    from namewise.zones.state import Change

    Image: TypeAlias = list[tuple[bytes, int]]
    """All records of a zone: compressed chunks, each with the CRC-32 of its records."""

FILE = "zones.sqlite3"
"""The name of the database in the state directory."""
MEMBER = "member"
"""The key of the note that a zone is served although the configuration does not name it (`control/members.py`)."""
CHUNK = 1 << 20
"""Octets of a chunk of an image before it is compressed."""
LEAST_COMPACTION = 256 << 10
"""Octets of differences after the snapshot that are no reason for a new one: loading them takes a fraction of a second."""


class StoreError(NamewiseError):
    """The state database refused: nothing was written. `hint` is the remedy.

    code: `FULL`, `READ_ONLY`, `LOCKED`, `CORRUPT`, `IO`, `FORMAT`, `OUT_OF_STEP`, `NO_STATE`, `CLOSED`
    """

    code = "IO"

    def __init__(self, message: str, hint: str = "", code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ChainError(NamewiseError):
    """The stored versions of one zone cannot be read. `readable`: the sequence of the last version that can, or None."""

    code = "UNREADABLE"

    def __init__(self, zone: str, path: str, what: str, readable: int | None, kind: str) -> None:
        self.readable = readable
        recipes = []
        if readable is not None:
            recipes.append(
                f"`nw zone restore {zone} --entry {readable}` goes on with the last readable version"
            )
        if kind == "file":
            recipes.append(f"`nw zone restore {zone} --file` goes on with the zone file alone")
        if kind == "secondary":
            recipes.append("wait: the zone is transferred anew as soon as a primary answers")
        recipes.append(
            f"a copy of {path} from a backup, put in its place while the server is stopped, has all of it"
        )
        super().__init__(f"zone {zone} in {path}: {what}.\nChoose: {'; '.join(recipes)}.")


class Limits(NamedTuple):
    """Bounds of the database."""

    history: int = 16 << 20
    """Octets of the journal of one zone. A client that may change a zone must not fill the disk: the oldest entries go first."""


class Entry(NamedTuple):
    """An entry of the journal: one new version of a zone."""

    sequence: int
    serial_from: int | None
    """None: the first version."""
    serial_to: int
    time: float
    """Seconds since 1970."""
    why: str
    who: str
    client: str
    note: str
    added: int
    """RRsets, as the next two."""
    changed: int
    removed: int
    octets: int
    """Octets of the difference; 0 if it was not kept."""


class Chain(NamedTuple):
    """What is stored of one zone."""

    name: str
    kind: str
    """`file`, `database` or `secondary`."""
    added: bool
    """Whether the zone was added while the server was running."""
    tip: int
    """The sequence of the newest version."""
    serial: int
    """Its serial."""
    snapshot: int
    """The image of the snapshot."""
    snapshot_at: int
    """The sequence of the version that the snapshot has."""
    snapshot_octets: int
    pending: int
    """Octets of the journal after the snapshot."""
    history: int
    """Octets of the whole journal."""
    base: int | None
    """The image of the file that the changes since were made to; None: the file has the newest version, or there is no file."""
    base_at: int | None
    """The sequence of the version from which on the file lacks changes."""
    source: str | None
    """The version of the source that has the base, or the newest version."""

    @property
    def unsaved(self) -> int:
        """The number of changes that the file does not have."""
        return 0 if self.base_at is None else self.tip - self.base_at

    def wants_compaction(self, limits: Limits) -> bool:
        """Return whether so many differences follow the snapshot that a new one is worth its time."""
        return self.pending > min(max(self.snapshot_octets, LEAST_COMPACTION), limits.history)


class Write(NamedTuple):
    """What is to be written about one zone. What is None stays as it is."""

    name: str
    kind: str
    added: bool
    expected: int | None
    """The tip of the chain that this write extends; None: there is no chain."""
    entry: Change | None = None
    """A new version."""
    difference: bytes | None = None
    """The difference that leads to it. None: too large to be kept, then there is a *snapshot* of the new version."""
    snapshot: Image | None = None
    """All records of a version."""
    snapshot_at: int = 0
    """The sequence of that version."""
    snapshot_serial: int = 0
    base: Image | Literal["snapshot", "none"] | None = None
    """The base: another image, the *snapshot* of this write, or none any more."""
    base_at: int | None = None
    """The sequence of the version from which on the file lacks changes."""
    source: str | None = None


def image(zone: Zone) -> Image:
    """Return all records of *zone*. Takes a second for a million records; other threads run meanwhile."""
    import zlib

    return [(zlib.compress(chunk, 1), zlib.crc32(chunk)) for chunk in zone.to_wire(CHUNK)]
