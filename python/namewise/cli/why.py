"""`nw why`."""

from __future__ import annotations

from namewise.cli.options import Options

HELP = """\
usage: nw why [NAME|ID] [--last N] [--json] [--control PATH]

Says what the running server did with a recent question. The server keeps the steps of every question that
failed or was slow ([log] recorder and slow in namewise.toml say how many, and from when on); no log has to
be on.

  NAME       the records about this name, newest first
  ID         one record
  --last N   at most N records (default: 1 for a name, 10 without one, as a list)
  --json     a JSON array of namewise.explain/1 documents

Exit codes: 0 found, 1 wrong usage, 2 nothing is known about it, 9 no server.

  $ nw why www.example.com
"""

NOT_FOUND = 2


def run(args: list[str]) -> int:
    """Print what the recorder of the server knows."""
    import sys

    from namewise.cli.ctl import ask, name
    from namewise.tools.explain import in_colour, milliseconds, tree

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
        print(f"{about}: no such question failed or was slow recently")
        return NOT_FOUND
    for record in records:
        if word:
            sys.stdout.write(tree(record, colour=in_colour(sys.stdout)))
            continue
        asked = record["question"]
        result, took = record["result"]["rcode"], milliseconds(record["total_us"])
        about = f"{asked['name']} {asked['type']}"
        print(f"{record['id']:>6}  {record['started']}  {result:<8}  {took:>9}  {about}")
    return 0
