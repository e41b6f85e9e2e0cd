"""Compare an explanation with a counterfactual: the same question under another assumption.

| `--what-if` | the assumption |
|---|---|
| `flush` | the cache is empty, and nothing is known of any server |
| `no-validate` | the client sets CD: the answer is not validated (RFC 4035 §3.2.2) |
| `other-forwarder=ADDRESS[:PORT]` | this server answers instead of the configured forwarders, or instead of the root |
| `policy-off` | no list and no response policy zone applies |
| `trailing-dot` | the name ends with a dot: a program's stub resolver appends no suffix of its search list |

A `namewise.what-if/1` document has both explanations and the difference: response codes, records that only one of
the answers has, the times, and the numbers of queries to servers.
"""

from __future__ import annotations

from namewise.tools.explain import milliseconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Document = dict[str, Any]

SCHEMA = "namewise.what-if/1"
ASSUMPTIONS = {
    "flush": "the cache were empty",
    "no-validate": "the answer were not validated",
    "other-forwarder": "another forwarder answered",
    "policy-off": "no list applied",
    "trailing-dot": "the name ended with a dot",
}
"""The counterfactuals, each as the end of "what if ..."."""


def compare(what_if: str, before: Document, after: Document) -> Document:
    """Return the `namewise.what-if/1` document: *before* is what happens, *after* what would happen."""
    old, new = (document["result"] for document in (before, after))
    records_before, records_after = (_without_ttl(result["answer"]) for result in (old, new))
    return {
        "schema": SCHEMA,
        "what_if": what_if,
        "before": before,
        "after": after,
        "difference": {
            "name": _changed(before["question"]["name"], after["question"]["name"]),
            "rcode": _changed(old["rcode"], new["rcode"]),
            "diagnosis": _changed(before.get("diagnosis"), after.get("diagnosis")),
            "removed": sorted(records_before - records_after),
            "added": sorted(records_after - records_before),
            "total_us": [before["total_us"], after["total_us"]],
            "queries": [_queries(before), _queries(after)],
        },
    }


def changes_answer(document: Document) -> bool:
    """Say whether the counterfactual of *document* has another response code or other records."""
    difference = document["difference"]
    return bool(difference["rcode"] or difference["removed"] or difference["added"])


def render(document: Document) -> str:
    """Return *document* as text: the difference first, then both outcomes in one sentence each."""
    difference = document["difference"]
    assumption = ASSUMPTIONS[document["what_if"].partition("=")[0]]
    if changes_answer(document):
        lines = [f"The answer would differ if {assumption}:"]
    else:
        lines = [f"The answer would be the same if {assumption}."]
    for label in ("name", "rcode"):
        if difference[label]:
            old, new = (value or "no response" for value in difference[label])
            lines.append(f"  {label}: {old} -> {new}")
    lines += [f"  - {record}" for record in difference["removed"]]
    lines += [f"  + {record}" for record in difference["added"]]
    (took, would_take), (asked, would_ask) = difference["total_us"], difference["queries"]
    lines.append(f"  time: {milliseconds(took)} -> {milliseconds(would_take)}")
    lines.append(f"  queries to servers: {asked} -> {would_ask}")
    for label, side in (("now", "before"), ("then", "after")):
        shown = document[side].get("diagnosis") or document[side]["verdict"]
        lines.append(f"{label + ':':6}{shown}")
    return "\n".join(lines) + "\n"


def search_names(name: str, resolv_conf: str) -> list[str]:
    """Return the absolute names that a stub resolver looks up for *name*, in their order, with the text *resolv_conf* of its
    configuration (resolv.conf(5): `search`, `domain`, `ndots`). A name with a trailing dot is looked up alone."""
    if name.endswith("."):
        return [name]
    suffixes: list[str] = []
    ndots = 1
    for line in resolv_conf.splitlines():
        match line.split():
            case ["search" | "domain", *given]:
                suffixes = given
            case ["options", *options]:
                for option in options:
                    key, _, value = option.partition(":")
                    if key == "ndots" and value.isdecimal():
                        ndots = min(int(value), 15)
    as_is = f"{name}."
    found = [f"{name}.{suffix.rstrip('.')}." for suffix in suffixes if suffix.strip(".")]
    return [as_is, *found] if name.count(".") >= ndots else [*found, as_is]


def _without_ttl(lines: list[str]) -> set[str]:
    """Return the records of *lines*, `OWNER TTL CLASS TYPE RDATA`, without their TTL, which falls with time."""
    return {" ".join([*words[:1], *words[2:]]) for words in (line.split(" ") for line in lines)}


def _queries(document: Document) -> int:
    return sum(1 for step in document["steps"] if step["server"])


def _changed(before: Any, after: Any) -> list[Any] | None:
    return None if before == after else [before, after]
