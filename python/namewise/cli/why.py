"""`nw why`."""

from __future__ import annotations

from namewise.cli.options import Options

HELP = """\
usage: nw why [NAME|ID] [--last N] [--json] [--control PATH]

Show why a recent query of the running server failed, was refused or was slow: the cause in one sentence, then
every step. The server records queries that failed, were refused, were slow, or needed a server that failed; no
log has to be enabled. In [log], `recorder` and `recorder_bytes` limit what it keeps, and `slow` is the time after
which a query counts as slow.

  NAME       the newest recorded query for this name (with --last N: the newest N)
  ID         the recorded query with this number
             without NAME and ID: a list, one line for each recorded query: number, time, client, cause
  --last N   at most N queries (default: 1 for a name, 10 for the list)
  --json     a JSON array of namewise.explain/1 documents, empty if nothing is recorded

Exit codes: 0 found, 1 wrong usage, 2 no such query is recorded, 9 no running server at the control
socket.

  $ nw why www.example.com
"""

NOT_FOUND = 2


def run(args: list[str]) -> int:
    """Print what the recorder of the server knows."""
    import sys

    from namewise.cli.ctl import ask, name
    from namewise.tools.explain import in_colour, tree

    parsed = Options(values=("--control", "--last"), flags=("--json",), words=(0, 1)).read(args)
    word = parsed.words[0] if parsed.words else None
    wanted = {"id": int(word)} if word and word.isdigit() else {"name": name(word)} if word else {}
    most = parsed.number("--last", 1) or (1 if word else 10)
    records = ask(parsed.one("--control"), "why", {**wanted, "most": most})["records"]
    if "--json" in parsed:
        import json

        print(json.dumps(records, indent=2))
        return 0 if records else NOT_FOUND
    if not records:
        about = f"no record of {word}" if word else "no records"
        print(f"{about}: no such query failed, was refused or was slow recently")
        return NOT_FOUND
    for record in records:
        if word:
            sys.stdout.write(tree(record, colour=in_colour(sys.stdout)))
            continue
        client = record["client"] or "the server itself"
        cause = record.get("diagnosis") or record["verdict"]
        asked = f"{record['question']['name']} {record['question']['type']}"
        print(f"{record['id']:>6}  {record['started']}  {client}  {asked}: {cause}")
    return 0
