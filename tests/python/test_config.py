"""`namewise.toml`: positions, precedence, includes, suggestions, and what is generated from the models."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
from commands import nw
from msgspec import ValidationError, convert

from namewise.config import ConfigError, Origin, Overlay, diff, load
from namewise.config import values as readers
from namewise.config.loader import PATH_FIELDS
from namewise.config.model import ARRAYS, TABLES, Config, FileZone
from namewise.config.pages import json_schema, pages
from namewise.config.rules import doubts
from namewise.config.schema import Table, settings
from namewise.engine import parse_toml

ROOT = Path(__file__).resolve().parents[2]


def written(folder: Path, text: str, name: str = "namewise.toml") -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def mistakes(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(written(folder, text), environ=environ or {})
    return [problem.text().split("\n")[0].replace(str(folder) + "/", "") for problem in caught.value.problems]


def test_all_mistakes_are_reported_at_once_with_their_positions(tmp_path: Path) -> None:
    text = """\
[server]
wokers = 2
udp_payload = 99
[[listen]]
address = "127.0.0.1:53"
[[zone]]
name = "example.com"
[[policy]]
policy = "acl"
on = "recursions"
allow = ["ofice"]
[sever]
x = 1
"""
    assert mistakes(tmp_path, text) == [
        'namewise.toml:2:1: server.wokers: unknown key "wokers"; did you mean "workers"?',
        "namewise.toml:3:1: server.udp_payload: must be at least 512",
        "namewise.toml:5:1: listen[0].address: '127.0.0.1:53' is not an IP address; names are not looked up here",
        'namewise.toml:6:1: zone[0].file: the key "file" is required here',
        "namewise.toml:10:1: policy[0].on: expected 'query', 'recursion', 'cache' or 'receipts'; did you mean \"recursion\"?",
        'namewise.toml:12:2: sever: unknown table "sever"; did you mean "server"?',
    ]


def test_the_line_is_shown_with_a_mark(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, "[log]\n  levle = 'info'\n"), environ={})
    assert str(caught.value).split("\n")[1:] == ["  2 |   levle = 'info'", "    |   ^"]


def test_syntax_errors_have_a_position(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, "[server\n")
    assert found.startswith("namewise.toml:1:")


def test_types_are_strict(tmp_path: Path) -> None:
    assert mistakes(tmp_path, '[server]\nworkers = "4"\n') == [
        "namewise.toml:2:1: server.workers: expected an integer"
    ]


def test_tables_are_checked_against_each_other(tmp_path: Path) -> None:
    text = """\
[[acl]]
name = "office"
prefixes = ["10.0.0.0/8"]
[[policy]]
policy = "acl"
on = "query"
allow = ["ofice", "10.0.0.1/8"]
[[zone]]
name = "a.example"
file = "a"
[[zone]]
name = "A.example."
file = "b"
[[forward]]
servers = ["192.0.2.1"]
"""
    assert mistakes(tmp_path, text) == [
        "namewise.toml:7:10: policy[0].allow[0]: no [[acl]] is named 'ofice'; did you mean 'office'?",
        "namewise.toml:7:19: policy[0].allow[1]: '10.0.0.1/8' has bits set after its length; did you "
        "mean 10.0.0.0/8?",
        "namewise.toml:12:1: zone[1].name: zone 'A.example.' is given twice; first at namewise.toml:9:1",
        "namewise.toml:14:1: forward[0]: forwarding is recursion: add a [resolver] table (it may be empty)",
    ]


def test_all_kinds_of_mistakes_are_reported_together(tmp_path: Path) -> None:
    text = """\
[server]
wokers = 2
[[zone]]
name = "a.example"
file = "a"
allow = ["ofice"]
[[zone]]
name = "b.example"
fil = "b"
[[zone]]
name = "A.example."
file = "c"
[[acl]]
name = "office"
prefixes = ["10.0.0.0/36"]
[[view]]
name = "inside"
clients = ["office"]
zones = ["b.example", "aa.example"]
"""
    assert mistakes(tmp_path, text) == [
        'namewise.toml:2:1: server.wokers: unknown key "wokers"; did you mean "workers"?',
        "namewise.toml:6:10: zone[0].allow[0]: no [[acl]] is named 'ofice'; did you mean 'office'?",
        'namewise.toml:7:1: zone[1].file: the key "file" is required here',
        'namewise.toml:9:1: zone[1].fil: unknown key "fil"; did you mean "file"?',
        "namewise.toml:11:1: zone[2].name: zone 'A.example.' is given twice; first at namewise.toml:4:1",
        "namewise.toml:15:13: acl[0].prefixes[0]: '10.0.0.0/36' is not an address prefix; "
        "write 10.0.0.0/8 or 2001:db8::/32",
        "namewise.toml:19:23: view[0].zones[1]: no [[zone]] is named 'aa.example.'; did you mean 'a.example.'?",
    ]


def test_an_entry_with_a_mistake_is_not_missing_elsewhere(tmp_path: Path) -> None:
    unnamed = '[[acl]]\nprefixes = ["10.0.0.0/8"]\n'
    policy = '[[policy]]\npolicy = "acl"\non = "query"\nallow = ["office"]\n'
    assert mistakes(tmp_path, unnamed + policy) == [
        'namewise.toml:1:1: acl[0].name: the key "name" is required here'
    ]
    forward = '[resolver]\ncache = "much"\n[[forward]]\nservers = ["192.0.2.1"]\n'
    (found,) = mistakes(tmp_path, forward)
    assert found.startswith("namewise.toml:2:1: resolver.cache: 'much' is not a size")
    for head in ("resolver = 1\n", "acl = 1\n"):  # neither is "no [[acl]]" nor "add a [resolver] table" said
        (found,) = mistakes(
            tmp_path, head + policy.replace("office", "any") + '[[forward]]\nservers = ["192.0.2.1"]\n'
        )
        assert found.startswith("namewise.toml:1:1: "), found


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("server = 1", "SERVER_WORKERS=2"),
        ("zone = 1", "ZONE=a.example=a"),
        ("listen = 1", "LISTEN=127.0.0.1:5300"),
        ("[resolver]\nbudget = 1", "RESOLVER_BUDGET_MAX_REFERRALS=2"),
    ],
)
def test_a_variable_does_not_hide_a_wrong_table(tmp_path: Path, text: str, variable: str) -> None:
    name, _, value = variable.partition("=")
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text + "\n"), environ={f"NAMEWISE_{name}": value})
    (problem,) = caught.value.problems
    assert problem.message.startswith(("expected a table", "expected an array")), problem


def test_a_missing_include_does_not_hide_other_mistakes(tmp_path: Path) -> None:
    text = 'include = ["acls.toml"]\n[server]\nworkers = "4"\n[[zone]]\nname = "a"\nfile = "a"\nallow = ["office"]\n'
    include, workers = mistakes(tmp_path, text)
    assert include.startswith("namewise.toml:1:12: include[0]: no file ")
    assert workers == "namewise.toml:3:1: server.workers: expected an integer"


def test_a_route_leads_to_loopback_only(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, '[resolver.routes]\n"198.41.0.0/16" = "8.8.8.8:53"\n')
    assert found == (
        'namewise.toml:2:1: resolver.routes."198.41.0.0/16": 8.8.8.8 is not a loopback address; '
        "a route may only lead to 127.0.0.0/8 or ::1"
    )


def test_flags_override_environment_overrides_file(tmp_path: Path) -> None:
    file = written(tmp_path, '[server]\nworkers = 1\nidentity = "file"\nversion = "file"\n')
    flags = Overlay()
    flags.set(("server", "workers"), 3, Origin("flag", "--workers"))
    environ = {"NAMEWISE_SERVER_WORKERS": "2", "NAMEWISE_SERVER_IDENTITY": "environment"}
    loaded = load(file, environ=environ, flags=flags)
    assert (loaded.config.server.workers, loaded.config.server.identity) == (3, "environment")
    said = {".".join(map(str, path)): str(origin) for path, _, origin in loaded.values()}
    assert said["server.workers"] == "--workers"
    assert said["server.identity"] == "NAMEWISE_SERVER_IDENTITY"
    assert said["server.version"] == f"{file}:4:1"
    assert said["server.udp_payload"] == "default"


def test_environment_reads_lists_tables_and_refuses_typing_errors() -> None:
    environ = {
        "NAMEWISE_LISTEN": "192.0.2.1, [2001:db8::1]:5300",
        "NAMEWISE_ZONE": "example.com=db.example.com",
        "NAMEWISE_RESOLVER_BUDGET_WALL_CLOCK": "3s",
        "NAMEWISE_RESOLVER_IPV6": "false",
        "NAMEWISE_RESOLVER_STREAMS_IDLE": "1s",
        "NAMEWISE_RESOLVER_STALE_TTL": "5s",
        "NAMEWISE_RESOLVER_LOCAL_ZONES_OFF": "test, .",
        "NAMEWISE_FORWARD": "corp.example=192.0.2.2:54",
        "NAMEWISE_CONTROL_USERS": "alice, bob",
    }
    config = load(None, environ=environ).config
    assert [(one.address, one.port) for one in config.listen] == [("192.0.2.1", 53), ("2001:db8::1", 5300)]
    assert config.zone[0].name == "example.com."
    assert config.zone[0].file == str(Path.cwd() / "db.example.com")
    assert config.resolver is not None
    assert (config.resolver.budget.wall_clock, config.resolver.ipv6) == (3000, False)
    assert (config.resolver.streams.idle, config.resolver.local_zones_off) == (1000, ("test.", "."))
    assert config.resolver.stale.ttl == 5000
    assert config.forward[0].servers == ("192.0.2.2:54",)
    assert config.control.users == ("alice", "bob")
    with pytest.raises(ConfigError, match=r"NAMEWISE_SERVER_WOKERS.*did you mean NAMEWISE_SERVER_WORKERS"):
        load(None, environ={"NAMEWISE_SERVER_WOKERS": "2"})


def test_secrets_come_from_files_and_are_never_shown(tmp_path: Path) -> None:
    file = written(tmp_path, '[[key]]\nname = "k.example."\nsecret = "YWJj"\n')
    loaded = load(file, environ={})
    assert loaded.config.key[0].secret is not None
    assert "YWJj" not in repr(loaded.config)
    assert ("key", 0, "secret") in {path for path, value, _ in loaded.values() if value == "**********"}
    secret = written(tmp_path, "ZGVm\n", "secret")
    loaded = load(file, environ={"NAMEWISE_KEY_K_EXAMPLE_SECRET_FILE": secret})
    assert (loaded.config.key[0].secret, loaded.config.key[0].secret_file) == (None, secret)
    assert mistakes(tmp_path, '[[key]]\nname = "k."\nsecret = "no base64!"\n') == [
        "namewise.toml:3:1: key[0].secret: the secret is not base64 text"
    ]


def test_includes_add_up_and_paths_are_relative_to_their_file(tmp_path: Path) -> None:
    file = written(tmp_path, 'include = ["conf.d/*.toml"]\n[[zone]]\nname = "a."\nfile = "a.zone"\n')
    written(tmp_path, '[[zone]]\nname = "b."\nfile = "b.zone"\n[log]\nlevel = "debug"\n', "conf.d/1.toml")
    loaded = load(file, environ={})
    assert [zone.file for zone in loaded.config.zone] == [
        str(tmp_path / "a.zone"),
        str(tmp_path / "conf.d/b.zone"),
    ]
    assert str(loaded.origin(("zone", 1, "name"))) == f"{tmp_path}/conf.d/1.toml:2:1"
    assert loaded.files == (file, str(tmp_path / "conf.d/1.toml"))


def test_a_setting_in_two_files_is_an_error(tmp_path: Path) -> None:
    written(tmp_path, '[log]\nlevel = "debug"\n', "more.toml")
    found = mistakes(tmp_path, 'include = ["more.toml", "gone.toml"]\n[log]\nlevel = "info"\n')
    assert found == [
        "more.toml:2:1: log.level: already set at namewise.toml:3:1",
        "namewise.toml:1:25: include[1]: no file gone.toml",
    ]


def test_names_are_absolute_and_checked(tmp_path: Path) -> None:
    (found,) = mistakes(tmp_path, '[[zone]]\nname = "a..b"\nfile = "x"\n')
    assert "zone[0].name" in found
    assert "empty label" in found


def test_the_difference_names_settings_not_positions(tmp_path: Path) -> None:
    old = load(
        written(tmp_path, '[[zone]]\nname="a."\nfile="/a"\n[[zone]]\nname="b."\nfile="/b"\n'), environ={}
    )
    new = load(
        written(tmp_path, '[server]\nworkers=2\n[[zone]]\nname="b."\nfile="/c"\n[log]\nslow="2s"\n'),
        environ={},
    )
    assert [str(change) for change in diff(old.config, new.config)] == [
        "~ server workers: 0 -> 2 (after a restart)",
        "- zone a. name = a.",
        "- zone a. file = /a",
        "~ zone b. file: /b -> /c",
        "~ log slow: 1s -> 2s",
    ]


def differences(folder: Path, old: str, new: str) -> list[str]:
    before, after = (load(written(folder, text), environ={}).config for text in (old, new))
    return [str(change) for change in diff(before, after)]


def listening(*pairs: tuple[str, int], more: str = "") -> str:
    return "".join(f'[[listen]]\naddress = "{address}"\nport = {port}\n{more}' for address, port in pairs)


def test_a_listener_that_moved_is_one_change(tmp_path: Path) -> None:
    old = listening(("127.0.0.1", 53), ("::1", 53))
    assert differences(tmp_path, old, listening(("127.0.0.1", 5300), ("::1", 53))) == [
        "~ listen 127.0.0.1:53: moved to 127.0.0.1:5300"
    ]
    assert differences(tmp_path, old, listening(("::1", 54), ("127.0.0.2", 53))) == [
        "~ listen 127.0.0.1:53: moved to 127.0.0.2:53",
        "~ listen [::1]:53: moved to [::1]:54",
    ]
    assert differences(tmp_path, old, listening(("::1", 53), ("127.0.0.1", 53))) == []
    # What else changed with it is a change of its own; a listener more or less is one change.
    only_udp = listening(("127.0.0.1", 5300), more='transports = ["udp"]\n')
    assert differences(tmp_path, listening(("127.0.0.1", 53)), only_udp) == [
        "~ listen 127.0.0.1:53: moved to 127.0.0.1:5300",
        "+ listen 127.0.0.1:5300 transports = [udp]",
    ]
    assert differences(tmp_path, old, listening(("::1", 53))) == ["- listen 127.0.0.1:53"]
    assert differences(tmp_path, listening(("::1", 53)), old) == ["+ listen 127.0.0.1:53"]


def test_what_is_given_twice_names_both_places(tmp_path: Path) -> None:
    zone, listen = '[[zone]]\nname = "{}"\nfile = "x"\n', listening(("127.0.0.1", 53))
    written(tmp_path, zone.format("A.example."), "more.toml")
    text = f'include = ["more.toml"]\n{zone.format("a.example")}{listen}{listen}'
    assert mistakes(tmp_path, text) == [
        "more.toml:2:1: zone[1].name: zone 'A.example.' is given twice; first at namewise.toml:3:1",
        "namewise.toml:9:1: listen[1].address: listen on '127.0.0.1 port 53' is given twice; first at namewise.toml:6:1",
    ]
    # Also beside other errors, which leave entries out of the comparison.
    text = f'[[zone]]\nname = "b"\n{zone.format("a.example")}{zone.format("a.example")}'
    assert mistakes(tmp_path, text)[1:] == [
        "namewise.toml:7:1: zone[2].name: zone 'a.example.' is given twice; first at namewise.toml:4:1"
    ]
    text = listening(("0.0.0.0", 53), ("127.0.0.1", 53))
    (found,) = mistakes(tmp_path, text)
    assert found.endswith("includes 127.0.0.1, which is listed too at namewise.toml:5:1; remove one of them")


@pytest.mark.parametrize("ms", [0, 1, 999, 1000, 61_000, 5_400_000, 86_400_000, 90_061_001])
def test_durations_round_trip(ms: int) -> None:
    assert readers.duration_ms(readers.duration_text(ms)) == ms


@pytest.mark.parametrize("count", [0, 1, 1023, 1 << 10, 64 << 20, 3 << 30])
def test_sizes_round_trip(count: int) -> None:
    assert readers.size_bytes(readers.size_text(count)) == count


@pytest.mark.parametrize("text", ["", "10", "10x", "s", "-1s", "1.5s"])
def test_invalid_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        readers.duration_ms(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1:53"),
        ("192.0.2.1:54", "192.0.2.1:54"),
        ("2001:DB8::1", "[2001:db8::1]:53"),
        ("[2001:db8::1]:54", "[2001:db8::1]:54"),
        ("192.0.2.1#54", "192.0.2.1:54"),
    ],
)
def test_endpoints(text: str, expected: str) -> None:
    assert str(readers.endpoint(text)) == expected


def test_every_setting_of_every_table_is_in_the_reference() -> None:
    page = pages()["docs/configuration/reference.md"]

    def keys(model: type[Table], head: str) -> None:
        part = page.split(f"`{head}`\n", 1)[1].split("\n#", 1)[0]
        for name, setting in settings(model).items():
            if setting.table is not None:
                keys(setting.table, f"[{head.strip('[]')}.{name}]")
            else:
                assert f"| `{name}` |" in part, f"{head} {name}"

    for table, model in TABLES.items():
        keys(model, f"[[{table}]]" if table in ARRAYS else f"[{table}]")


def test_generated_pages_are_fresh() -> None:
    for path, content in pages().items():
        assert (ROOT / path).read_text() == content, f"{path} is stale: make docs"


def test_the_annotated_example_is_right_by_schema_and_by_models() -> None:
    file = ROOT / "docs/namewise.toml"
    tree = json.loads(parse_toml(file.read_text())[0])
    jsonschema.validate(tree, json.loads(json_schema()))
    config = load(str(file), environ={}).config
    assert config.server.workers == 2
    assert [zone.name for zone in config.zone] == ["example.com.", "internal.example."]


def test_the_schema_and_the_models_refuse_the_same_values() -> None:
    schema = json.loads(json_schema())
    for wrong in ({"sever": {}}, {"server": {"wokers": 1}}, {"zone": [{"name": "a."}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_a_changed_secret_is_seen_and_its_fingerprint_reveals_nothing(tmp_path: Path) -> None:
    """An unkeyed digest of a short secret could be searched for by anybody who reads the log."""
    import hashlib

    def key(secret: str) -> str:
        return written(tmp_path, f'[[key]]\nname = "k."\nsecret = "{secret}"\n', "key.toml")

    old, new = (load(key(secret), environ={}).config for secret in ("YWJj", "ZGVm"))
    (change,) = diff(old, new)
    assert str(change).startswith("~ key k. secret: (secret, fingerprint ")
    for secret in (b"YWJj", b"ZGVm"):
        for algorithm in ("sha256", "sha1", "md5", "blake2b"):
            assert hashlib.new(algorithm, secret).hexdigest()[:8] not in str(change)


def test_a_kind_chooses_the_model_of_a_table() -> None:
    """A second kind of zone is one model with its tag, and one more member of the union."""

    class Sqlite(Table, frozen=True, kw_only=True, tag_field="kind", tag="sqlite"):
        name: str
        table: str = "records"

    zones = tuple[FileZone | Sqlite, ...]
    tree = [{"name": "a.", "kind": "file", "file": "/a"}, {"name": "b.", "kind": "sqlite"}]
    assert [type(zone) for zone in convert(tree, zones)] == [FileZone, Sqlite]
    with pytest.raises(ValidationError, match="Invalid value 'carrier-pigeon'"):
        convert([{"name": "a.", "kind": "carrier-pigeon"}], zones)
    with pytest.raises(ValidationError, match="unknown field `file`"):
        convert([{"name": "b.", "kind": "sqlite", "file": "x"}], zones)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("server = 1", "server: expected a table, as in [server]"),
        ("listen = 1", "listen: expected an array, as in [[listen]]"),
        ("listen = []", "listen: needs at least one entry"),
        ("[server]\nminimal_any = 1", "server.minimal_any: expected true or false"),
        ("[server]\nidentity = 1", "server.identity: expected a text in quotes"),
        ("[server]\nworkers = 257", "server.workers: must be at most 256"),
        ("[server]\ntcp_idle = '1ms'", "server.tcp_idle: must be at least 200ms"),
        ("[resolver]\nsignature_skew_least = '2d'", "resolver.signature_skew_least: must be at most 1d"),
        ("[resolver]\ncache = '1KiB'", "resolver.cache: must be at least 64KiB"),
        ("[resolver.budget]\nfailure_ttl = '1d'", "resolver.budget.failure_ttl: must be at most 5m"),
        ("[server]\nnsid = '0x1'", "server.nsid: expected pairs of hexadecimal digits after 0x"),
        (f"[server]\nidentity = '{'x' * 256}'", "server.identity: must be at most 255 characters long"),
        ("[server]\nstate = ''", "server.state: must not be empty"),
        ("[resolver]\nroutes = 1", "resolver.routes: expected a table, as in [resolver.routes]"),
        ("[control]\nusers = [1]", "control.users[0]: expected a text in quotes"),
        ("[[key]]\nname = 'k'", "key[0]: set exactly one of secret and secret_file"),
        ("[[policy]]\non = 'query'\nallow = []", 'policy[0].policy: the key "policy" is required here'),
        (
            "[[acl]]\nname = 'any'\nprefixes = []",
            "acl[0].name: 'any' is built in and cannot be defined again",
        ),
    ],
    ids=lambda text: text.split(":")[0].replace("\n", " ")[:40],
)
def test_each_kind_of_mistake_has_its_message(tmp_path: Path, text: str, said: str) -> None:
    (found,) = mistakes(tmp_path, text + "\n")
    assert found.split(": ", 1)[1] == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[resolver]\nipv4 = false\nipv6 = false", "resolver.ipv6: no server can be asked"),
        (
            "[resolver]\nnegative_trust_anchors = ['a.example', '.']",
            "resolver.negative_trust_anchors[1]: the root as a whole",
        ),
        (
            "[resolver]\nsignature_skew_least = '2h'\nsignature_skew_most = '1h'",
            "resolver.signature_skew_least: signature_skew_least is 2h, more than signature_skew_most, which is 1h",
        ),
        (
            "[resolver]\nsignature_skew_most = '1m'",
            "resolver.signature_skew_most: signature_skew_least is 1h",
        ),
        (
            "[resolver.budget]\nmin_timeout = '2s'",
            "resolver.budget.min_timeout: min_timeout is 2s, more than max_timeout, which is 1s500ms",
        ),
        ("[resolver.budget]\nmax_timeout = '49ms'", "resolver.budget.max_timeout: min_timeout is 50ms"),
        (
            "[resolver]\ncache_only = true\n[[forward]]\nservers = ['192.0.2.1']\nfallback = true",
            "forward[0].fallback: [resolver] cache_only starts no lookup",
        ),
        *(
            (
                f"[resolver]\n[[forward]]\nsuffix = 'a.'\nservers = []\n{line}",
                f"forward[0].{line.split()[0]}: an exception has no servers",
            )
            for line in ("race = 2", "fallback = true", "prime = true")
        ),
        *(
            (
                f"[resolver]\n[[forward]]\nservers = ['192.0.2.1', '{address}']",
                f"forward[0].servers[1]: {address} is {what}, and no server has it",
            )
            for address, what in (
                ("0.0.0.0", "the unspecified address"),
                ("::", "the unspecified address"),
                ("224.0.0.1", "a multicast address"),
                ("ff02::1", "a multicast address"),
                ("255.255.255.255", "the broadcast address"),
            )
        ),
        (
            "[resolver]\n[[forward]]\nservers = ['2001:db8::1', '[2001:DB8:0::1]:53']",
            "forward[0].servers[1]: the server [2001:db8::1]:53 is given twice",
        ),
        (
            "[resolver]\n[local_root]\nprimaries = ['192.0.2.1', '192.0.2.1:53']",
            "local_root.primaries[1]: the server 192.0.2.1:53 is given twice",
        ),
        (
            "[[dns64]]\nprefix = '64:ff9b::/96'\n[[dns64]]\nprefix = '64:FF9B::/96'",
            "dns64[1].prefix: dns64 prefix '64:ff9b::/96' is given twice",
        ),
        (
            "[[list]]\nname = 'sink'\nfile = 'l'\naction = 'address'\ntargets = ['192.0.2.1', 'sink.example', '10.0.0.300']",
            "list[0].targets[1]: 'sink.example' is not an IP address",
        ),
        (
            "[[list]]\nname = 'sink'\nfile = 'l'\naction = 'cname'\ntargets = ['a..example']",
            "list[0].targets[0]: ",
        ),
    ],
    ids=lambda text: text.split(": ")[0].replace("\n", " ")[:60],
)
def test_contradictions_are_mistakes(tmp_path: Path, text: str, said: str) -> None:
    found = mistakes(tmp_path, text + "\n")
    assert found[0].split(": ", 1)[1].startswith(said), found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[resolver]\nvalidation = 'off'\nnegative_trust_anchors = ['a.']",
            "negative_trust_anchors has no effect",
        ),
        ("[resolver]\nipv6 = false\n[[forward]]\nservers = ['2001:db8::1']", "is asked over IPv6 although"),
        (
            "[resolver.budget]\nmin_ttl = '1h'\nmax_ttl = '1m'",
            "min_ttl, which is 1h, has no effect beyond max_ttl",
        ),
        ("[resolver.streams]\nmax_per_server = 200", "max_per_server, which is 200, has no effect"),
        (
            "[resolver.stale]\nclient_timeout = '8s'",
            "client_timeout, which is 8s, has no effect: a lookup ends after 7s",
        ),
    ],
    ids=lambda text: text.split("\n")[-1][:40],
)
def test_what_has_no_effect_beside_other_settings_is_a_doubt(tmp_path: Path, text: str, said: str) -> None:
    (found,) = doubts(load(written(tmp_path, text + "\n"), environ={}).config)
    assert said in found


def test_tables_of_nat64_prefixes_may_divide_clients_and_addresses(tmp_path: Path) -> None:
    table = "[[dns64]]\nprefix = '64:ff9b::/96'\n"
    text = f"{table}clients = ['10.0.0.0/8']\n{table}mapped = ['192.0.2.0/24']\n{table}"
    assert len(load(written(tmp_path, text), environ={}).config.dns64) == 3


def test_servers_of_a_secondary_zone_are_checked(tmp_path: Path) -> None:
    text = '[server]\nstate = "s"\n[[zone]]\nname = "a."\nkind = "secondary"\nprimaries = {}\n'
    for wrong, what in (
        ("[]", "1"),
        ('["primary.example"]', "primary.example"),
        ('["192.0.2.1 key"]', "is not a server"),
        ('["0.0.0.0"]', "unspecified"),
        # An unsigned transfer must not stand in for a signed one.
        ('["192.0.2.1 key xfr."]', "no [[key]] is named"),
        ('["192.0.2.1"]\nnotify = ["192.0.2.1 key xfr."]', "no [[key]] is named"),
        ('["192.0.2.1"]\nnotify_from = ["192.0.2.1 key"]', "does not say which clients"),
        ('["192.0.2.1"]\nnotify_from = ["key xfr."]', "no [[key]] is named"),
    ):
        (mistake,) = mistakes(tmp_path, text.format(wrong))
        assert what in mistake
    (mistake,) = mistakes(tmp_path, text.format('["192.0.2.1"]').partition("\n")[2].partition("\n")[2])
    assert "needs a state directory" in mistake


def test_only_kinds_that_work_are_accepted(tmp_path: Path) -> None:
    text = '[[zone]]\nname = "a."\nkind = "sqlite"\nfile = "x"\n'
    assert mistakes(tmp_path, text) == [
        "namewise.toml:3:1: zone[0].kind: expected 'file', 'database' or 'secondary'"
    ]


def test_two_tables_of_each_array_can_be_compared(tmp_path: Path) -> None:
    """A reload prints the difference: it must be able to name the tables of every array, also those that are alike."""
    text = {
        "listen": 'address = "127.0.0.1"\nport = 1\n',
        "forward": 'suffix = "example"\nservers = ["192.0.2.1"]\n',
        "hosts": 'file = "hosts"\n',
        "local": 'name = "lan"\nrecords = ["a A 192.0.2.1"]\n',
        "zone": 'name = "example.com"\nfile = "zone"\n',
        "update": 'name = "rule"\nzones = ["example.com"]\nclients = ["any"]\n[server]\nstate = "state"\n[[zone]]\n'
        'name = "example.com"\nfile = "zone"\n',
        "dnssec": 'name = "short"\ndnskey_ttl = "1h"\n',
        "view": 'name = "inside"\nclients = ["any"]\n',
        "key": 'name = "key"\nsecret = "AAAA"\n',
        "acl": 'name = "acl"\nprefixes = ["192.0.2.0/24"]\n',
        "policy": 'policy = "acl"\non = "query"\nallow = ["any"]\n',
        "dns64": 'prefix = "64:ff9b::/96"\n',
        "template": 'name = "template"\n',
        "catalog": 'name = "catalog"\nprimaries = ["192.0.2.1"]\ntemplate = "T"\n[server]\nstate = "state"\n'
        '[[template]]\nname = "T"\nkind = "secondary"\n',
        "group": 'name = "group"\nclients = ["any"]\n',
        "list": 'name = "list"\nfile = "list"\n',
    }
    assert set(text) == ARRAYS
    empty = load(written(tmp_path, "[resolver]\n"), environ={}).config
    for array, table in text.items():
        config = load(written(tmp_path, f"[resolver]\n[[{array}]]\n{table}"), environ={}).config
        assert not diff(config, config)
        assert any(change.path.startswith(array) for change in diff(empty, config)), array


def test_local_tables_of_one_name_are_told_apart(tmp_path: Path) -> None:
    def config(*records: str) -> Config:
        tables = "".join(f'[[local]]\nname = "lan"\nrecords = ["{record}"]\n' for record in records)
        return load(written(tmp_path, f"[resolver]\n{tables}"), environ={}).config

    before = config("a A 192.0.2.1", "b A 192.0.2.1")
    (change,) = diff(before, config("a A 192.0.2.2", "b A 192.0.2.1"))
    assert "192.0.2.2" in str(change)
    gone = [str(change) for change in diff(before, config("a A 192.0.2.1"))]
    assert gone == ["- local lan. (2) name = lan.", "- local lan. (2) records = [b A 192.0.2.1]"]


@pytest.mark.parametrize(
    "text",
    [
        '[resolver]\nhints = "FIFO"\n',
        '[resolver]\ntrust_anchor = "FIFO"\n',
        '[resolver]\n[[hosts]]\nfile = "FIFO"\n',
        '[[key]]\nname = "a"\nsecret_file = "FIFO"\n',
        '[resolver]\n[local_root]\nfile = "FIFO"\n',
        'include = ["FIFO"]\n',
    ],
)
def test_a_pipe_in_place_of_a_file_is_an_error_and_not_waited_for(tmp_path: Path, text: str) -> None:
    os.mkfifo(tmp_path / "FIFO")
    done = nw("config", "check", written(tmp_path, text), timeout_s=20)
    assert done.returncode != 0
    assert "a pipe, not a file" in done.stderr + done.stdout


def test_every_path_is_relative_to_its_file() -> None:
    paths = {
        (table, name)
        for table, setting in settings(Config).items()
        for model in (setting.table or next((one for one in get_args(setting.type) if is_table(one)), None),)
        if model is not None
        for name, inner in settings(model).items()
        if inner.extra("kind") == "path"
    }
    assert paths and paths <= PATH_FIELDS


def is_table(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, Table)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (f". IN DNSKEY 385 3 13 {'A' * 86}==", "the key is revoked"),
        (f". IN DNSKEY 1 3 13 {'A' * 86}==", "not the key of a zone"),
        (f". IN DNSKEY 257 2 13 {'A' * 86}==", "protocol 2"),
        (". IN DNSKEY 257 3 13 AAAA", "has 3 octets; one of algorithm 13 has at least 64"),
        (". IN DS 1 13 2 0000", "a digest of type 2 has 32 octets, not 2"),
        (". CH DS 1 13 2 0000", "a trust anchor is a DS or DNSKEY record"),
    ],
)
def test_what_cannot_be_a_trust_anchor_is_an_error_with_its_line(
    tmp_path: Path, record: str, said: str
) -> None:
    anchor = tmp_path / "anchor"
    anchor.write_text(f"; the root\n{record}\n")
    done = nw("config", "check", written(tmp_path, f'[resolver]\ntrust_anchor = "{anchor}"\n'))
    assert done.returncode != 0
    assert f"{anchor}:2" in done.stdout + done.stderr
    assert said in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("record", "sha1", "said"),
    [
        (". IN DS 1 13 3 " + "00" * 32, "true", "digest type 3 is not supported"),
        (". IN DS 1 13 99 00", "true", "digest type 99 is not supported"),
        (". IN DS 1 200 2 " + "00" * 32, "true", "algorithm 200 is not supported"),
        (". IN DNSKEY 257 3 200 AAAA", "true", "algorithm 200 is not supported"),
        (". IN DS 1 13 1 " + "00" * 20, "false", "digest type 1 is SHA-1"),
        (". IN DS 1 5 2 " + "00" * 32, "false", "algorithm 5 needs SHA-1"),
        (". IN DS 1 13 1 " + "00" * 20, "true", None),
    ],
)
def test_an_unsupported_trust_anchor_gives_a_warning_with_its_line_and_effect(
    tmp_path: Path, record: str, sha1: str, said: str | None
) -> None:
    anchor, settings = (
        tmp_path / "anchor",
        f'[resolver]\ntrust_anchor = "{tmp_path}/anchor"\nsha1 = {sha1}\n',
    )
    anchor.write_text(f"; the root\n{record}\n")
    alone = nw("config", "check", written(tmp_path, settings))
    assert alone.returncode == 0
    if said is None:
        assert "warning" not in alone.stdout
        return
    assert f"warning: {anchor}:2:1: the trust anchor . {record.split()[2]} is ignored" in alone.stdout
    assert said in alone.stdout and "nothing at and below . is validated" in alone.stdout
    anchor.write_text(f"{record}\n. IN DS 2 13 2 {'00' * 32}\n")
    beside = nw("config", "check", written(tmp_path, settings))
    assert said in beside.stdout and "the other trust anchors of the zone are used" in beside.stdout
    off = nw("config", "check", written(tmp_path, settings + 'validation = "off"\n'))
    assert "is ignored" not in off.stdout
    assert '[resolver] trust_anchor has no effect: validation is "off"' in off.stdout
