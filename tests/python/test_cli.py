"""The command line as a whole: help, errors, checkers, exit codes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import nw
from ports import free_port
from servers import running

from namewise.cli import COMMANDS, explain
from namewise.config.resolver import Budget
from namewise.config.schema import settings
from namewise.config.values import duration_ms, duration_text

ZONES = Path(__file__).resolve().parents[2] / "python/namewise/lab/zones"
BROKEN = """\
$ORIGIN example.net.
$TTL 300
@ IN SOA ns1 admin 1 2 3 4 5
@ NS ns1
ns1 A 192.0.2.300
 MX ten mail
"""


def test_help_lists_every_command_and_each_explains_itself() -> None:
    done = nw("--help")
    assert done.returncode == 0
    width = max(len(name) for name, _ in COMMANDS)
    for name, purpose in COMMANDS:
        assert f"  {name:<{width}}  {purpose}\n" in done.stdout
    assert nw("--help", "zone").stdout == nw("zone", "--help").stdout


@pytest.mark.parametrize("name", [name for name, _ in COMMANDS if name != "dig"])
def test_a_command_has_usage_exit_codes_and_an_example(name: str) -> None:
    done = nw(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: nw {name}")
    assert "Exit codes: " in done.stdout or "xit codes:" in done.stdout
    assert f"\n  $ nw {name}" in done.stdout


def test_help_imports_nothing_slow() -> None:
    code = (
        "import sys; before = set(sys.modules); from namewise.cli import main; main(['--help'])\n"
        "slow = {'pydantic', 'rich', 'asyncio', 'argparse', 'namewise._engine', 'json', 'ipaddress'}\n"
        "assert not slow & (set(sys.modules) - before), slow & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["explian"], 'no command "explian"; did you mean "nw explain"?'),
        (["zone", "check", "x", "--orign", "y"], "Did you mean --origin?"),
        (["zone"], "usage: nw zone check FILE"),
        (["zone", "chek", "x"], "Did you mean check?"),
        (["zone", "check"], "nw zone: an argument is missing\nusage: nw zone check FILE"),
        (["ctl"], "       nw ctl cache get NAME [TYPE]\n"),
        (["config", "--json"], "the verb is missing: check or show or schema\nusage: nw config check [FILE]"),
        (["ctl", "statsu"], "Did you mean status?"),
        (["ctl", "flush", "a..b"], "  a..b\n    ^"),
        (
            ["ctl", "flush", "a.example", "AAAA"],
            "flush takes the type as an option (AAAA)\nnw ctl flush a.example --type AAAA",
        ),
        (["ctl", "flush", "a.example", "b.example"], "flush takes one name at a time"),
        (["ctl", "flush", "--tree"], "nw ctl flush without a name removes all answers."),
        (["ctl", "flushtree"], "flushtree needs a name: nw ctl flush NAME --tree"),
        (["ctl", "flushnmae", "a.example"], "Did you mean flushname?"),
        (["ctl", "status", "--tree"], "--tree is for flush: nw ctl flush NAME --tree"),
        (["explain", "example.com", "AAAAA"], "Did you mean AAAA?"),
        (["serve", "--listen", "localhost"], "--listen: 'localhost' is not an IP address"),
        (["serve", "--zone", "example.com"], "a zone is given as NAME=FILE"),
        (["serve", "--workers", "many"], "--workers needs a number of at least 1"),
        (["lab", "up", "--port"], "--port needs a value"),
    ],
)
def test_usage_errors_say_what_is_expected(args: list[str], said: str) -> None:
    done = nw(*args)
    assert done.returncode == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    "args", [["ctl", "status"], ["why", "example.com"], ["explain", "example.com"], ["trace", "a"]]
)
def test_without_a_server_the_exit_code_is_9(args: list[str], tmp_path: Path) -> None:
    path = str(tmp_path / "no.sock")
    done = nw(*args, "--control", path)
    assert done.returncode == 9
    assert f"no server listens on {path}: there is no such socket" in done.stderr
    assert "nw serve" in done.stderr


def test_a_valid_zone_is_reported_as_ok() -> None:
    done = nw("zone", "check", str(ZONES / "example.com.zone"))
    assert done.returncode == 0
    assert done.stdout.endswith("zone example.com. serial 2024010501, 21 records: OK, 3 infos\n")
    quiet = nw(
        "zone", "check", str(ZONES / "example.com.zone"), "--ignore", "address-documentation", "--strict"
    )
    assert quiet.stdout.endswith("21 records: OK\n")


def test_a_broken_zone_has_every_mistake_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "example.net.zone"
    file.write_text(BROKEN)
    done = nw("zone", "check", str(file))
    assert done.returncode == 1
    assert f"{file}:5:7: bad A data" in done.stdout
    assert "  5 | ns1 A 192.0.2.300\n    |       ^\n" in done.stdout
    assert f"{file}:6:5: bad MX data" in done.stdout
    assert "cannot be served" in done.stderr
    report = json.loads(nw("zone", "check", str(file), "--json").stdout)
    assert (report["zone"], report["serial"], report["errors"]) == ("example.net.", None, 2)
    assert [finding["line"] for finding in report["findings"] if finding["severity"] == "error"] == [5, 6]


def test_a_warning_has_line_rfc_and_remedy(tmp_path: Path) -> None:
    """RFC 2181 §10.3: a mail exchange is not an alias; the zone is served all the same."""
    file = tmp_path / "example.net.zone"
    head = "$TTL 60\n@ SOA ns1 admin 1 4h 1h 2w 5m\n@ NS ns1\n@ NS ns1.example.org.\nns1 A 9.9.9.9\n"
    file.write_text(f"{head}www CNAME ns1\n@ MX 10 www\n@ MX 20 ns1.example.net\n")
    done = nw("zone", "check", str(file))
    assert done.returncode == 0
    assert (
        f"{file}:7: MX leads to www.example.net., which is an alias [warning: target-alias, RFC 2181 §10.3]\n"
        "  7 | @ MX 10 www\n  remedy: name the host that has the addresses\n"
    ) in done.stdout
    assert "ends in the name of the zone twice" in done.stdout
    assert "OK, 3 warnings\n" in done.stdout
    report = json.loads(nw("zone", "check", str(file), "--json").stdout)
    assert (report["errors"], report["warnings"]) == (0, 3)
    assert report["counts"] == {"target-alias": 1, "origin-twice": 1, "target-missing": 1}
    finding = report["findings"][0]
    assert set(finding) == {
        "id", "severity", "file", "line", "column", "message", "expected", "rfc", "remedy"
    }  # fmt: skip
    assert (finding["id"], finding["severity"], finding["line"]) == ("target-alias", "warning", 7)


def test_octets_of_a_zone_file_do_not_reach_the_terminal_unescaped(tmp_path: Path) -> None:
    file = tmp_path / "example.net.zone"
    file.write_bytes(
        b"$TTL 60\n@ SOA ns1 admin 1 2 3 4 5\n@ NS ns1\nns1 A 192.0.2.1\nx NO\x1b[31mSUCH \x1b]0;title\x07\n"
    )
    done = nw("zone", "check", str(file))
    assert done.returncode == 1
    assert "NO\\x1b[31mSUCH" in done.stdout and "\x1b" not in done.stdout + done.stderr


def test_a_missing_zone_file_is_reported(tmp_path: Path) -> None:
    done = nw("zone", "check", str(tmp_path / "gone"))
    assert (done.returncode, done.stderr) == (1, f"nw zone: {tmp_path}/gone: No such file or directory\n")


def test_config_check_reports_configuration_and_zones_apart(tmp_path: Path) -> None:
    (tmp_path / "example.net.zone").write_text(BROKEN)
    file = tmp_path / "namewise.toml"
    file.write_text("[sever]\n")
    done = nw("config", "check", str(file))
    assert done.returncode == 2
    assert f'{file}:1:2: sever: unknown table "sever"; did you mean "server"?' in done.stdout
    file.write_text('[[zone]]\nname = "example.net"\nfile = "example.net.zone"\n')
    done = nw("config", "check", str(file))
    assert done.returncode == 1
    assert "zone example.net. is not loaded:" in done.stdout
    assert done.stdout.endswith(f"\n  the file is set at {file}:3:1\n")
    assert done.stderr == "nw config: 1 of 1 zone cannot be loaded\n"
    document = json.loads(nw("config", "check", str(file), "--json").stdout)
    assert (document["ok"], document["zones"], len(document["failures"])) == (False, ["example.net."], 1)
    file.write_text(f'[[zone]]\nname = "example.com"\nfile = "{ZONES}/example.com.zone"\n')
    done = nw("config", "check", str(file))
    assert (done.returncode, done.stdout) == (0, f"{file}: OK, 1 zone\n")


def test_config_show_gives_the_origin_of_each_value(tmp_path: Path) -> None:
    file = tmp_path / "namewise.toml"
    file.write_text("[server]\nworkers = 3\n")
    done = nw("config", "show", str(file), "--origin", environ={"NAMEWISE_LOG_LEVEL": "debug"})
    assert done.returncode == 0
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert f"server.workers = 3 # {file}:2:1" in lines
    assert 'log.level = "debug" # NAMEWISE_LOG_LEVEL' in lines
    assert "server.udp_payload = 1232 # default" in lines


def test_config_show_gives_the_limits_that_the_engine_uses(tmp_path: Path) -> None:
    file = tmp_path / "namewise.toml"
    file.write_text('[resolver.budget]\nmax_referrals = 7\nfailure_ttl = "9s"\n')
    lines = nw("config", "show", str(file), "--origin").stdout.splitlines()
    shown = {line.split(" = ")[0]: " ".join(line.split(" = ")[1].split()) for line in lines}
    limits = {name: value for name, value in shown.items() if name.startswith("resolver.budget.")}
    assert len(limits) == len(settings(Budget))
    for name, setting in settings(Budget).items():
        default = setting.description.rsplit("Not set: ", 1)[1].removesuffix(".")
        if setting.extra("kind") == "duration":
            default = duration_text(duration_ms(default))
        text = default if default.isdigit() else f'"{default}"'
        expected = {
            "max_referrals": f"7 # {file}:2:1", "failure_ttl": f'"9s" # {file}:3:1'
        }.get(name, f"{text} # default")  # fmt: skip
        assert limits[f"resolver.budget.{name}"] == expected
    assert shown["control.socket"] == '"/nonexistent/control.sock" # default'
    report = {row["path"]: row for row in json.loads(nw("config", "show", str(file), "--json").stdout)}
    assert report["resolver.budget.wall_clock"]["value"] == "7s"


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["explain", "a..b", "--json"], 1),
        (["explain", "example.com", "--json", "--control", "/nonexistent/s"], 9),
        (["ctl", "status", "--json", "--control", "/nonexistent/s"], 9),
        (["why", "--json", "--control", "/nonexistent/s"], 9),
        (["zone", "check", "/nonexistent/zone", "--json"], 1),
        (["config", "check", "--json", "a", "b"], 1),
        (["dnssec", "verify", "/nonexistent/zone", "--json"], 2),
        (["trace", "example.com", "--json", "--control", "/nonexistent/s"], 9),
        (["lab", "play", "--json"], 1),
        (["lab", "--json"], 1),
        (["serve", "--json"], 1),
    ],
)
def test_a_failure_with_json_is_an_object(args: list[str], code: int) -> None:
    done = nw(*args)
    assert done.returncode == code
    document = json.loads(done.stdout)
    assert document["ok"] is False and document["error"]["message"]
    assert set(document["error"]) == {"message", "hint", "exit"} and document["error"]["exit"] == code
    assert done.stderr.startswith(f"nw {args[0]}: {document['error']['message'].splitlines()[0]}")


def failure(*args: str) -> tuple[int, dict[str, Any]]:
    """Return exit code and error of a command with --json that fails; its output has the form of every failure."""
    done = nw(*args, "--json")
    document = json.loads(done.stdout)
    assert document["ok"] is False and document["error"]["exit"] == done.returncode
    assert document["error"]["message"] in done.stderr
    return done.returncode, document


def test_every_failure_with_json_has_the_same_form(tmp_path: Path) -> None:
    zone, config = tmp_path / "example.net.zone", tmp_path / "namewise.toml"
    zone.write_text(BROKEN)
    code, document = failure("explian")
    assert (code, document["error"]["message"]) == (1, 'no command "explian"; did you mean "nw explain"?')
    code, document = failure("zone", "check", str(zone))
    assert (code, document["errors"], document["zone"]) == (1, 2, "example.net.")
    config.write_text("[sever]\nx = 1\n")
    for verb in ("check", "show"):
        code, document = failure("config", verb, str(config))
        assert (code, document["error"]["message"]) == (2, "1 error in the configuration")
        assert [(one["line"], one["column"]) for one in document["problems"]] == [(1, 2)]
    config.write_text('[[zone]]\nname = "example.net"\nfile = "example.net.zone"\n')
    code, document = failure("config", "check", str(config))
    assert (code, document["zones"], len(document["failures"])) == (1, ["example.net."], 1)
    config.write_text('[control]\nusers = ["nobody-of-that-name"]\n')
    code, document = failure("config", "check", str(config))
    assert (code, document["problems"][0]["path"]) == (2, "control.users[0]")


def test_an_error_of_the_system_with_json_has_the_same_form(
    tmp_path: Path,
) -> None:
    directory = tmp_path / "example.net.zone"
    directory.mkdir()
    code, document = failure("zone", "check", str(directory))
    assert code == 1 and str(directory) in document["error"]["message"]


def test_explain_helps_with_addresses(tmp_path: Path) -> None:
    socket = str(tmp_path / "none.sock")
    done = nw("explain", "-x", "no-address", "--control", socket)
    assert done.returncode == 1 and "nw explain -x 192.0.2.1" in done.stderr
    assert explain._reversed(["-x", "192.0.2.1", "--json"]) == ["1.2.0.192.in-addr.arpa.", "PTR", "--json"]
    assert explain._reversed(["-x", "2001:db8::1"])[0].endswith("8.b.d.0.1.0.0.2.ip6.arpa.")
    assert explain._reversed(["www.example.com"]) == ["www.example.com"]


def test_config_check_warns_of_a_server_that_refuses_everything(tmp_path: Path) -> None:
    config = tmp_path / "namewise.toml"
    config.write_text('[[listen]]\naddress = "127.0.0.1"\n')
    done = nw("config", "check", str(config))
    assert (done.returncode, "warning: there is no zone and no recursion" in done.stdout) == (0, True)


def test_config_check_warns_of_secrets_that_all_may_read(tmp_path: Path) -> None:
    secret, config = tmp_path / "secret", tmp_path / "namewise.toml"
    secret.write_text("c2VjcmV0\n")
    config.write_text(f'[[key]]\nname = "k.example."\nsecret_file = "{secret}"\n')
    secret.chmod(0o644)
    done = nw("config", "check", str(config))
    assert done.returncode == 0 and f"chmod o= {secret}" in done.stdout
    secret.chmod(0o640)
    assert "chmod" not in nw("config", "check", str(config)).stdout


def test_config_check_warns_of_ports_that_others_hold(tmp_path: Path) -> None:
    port, other, control = free_port(), free_port(), str(tmp_path / "control.sock")
    config = tmp_path / "namewise.toml"
    zone = f'[[zone]]\nname = "example.com"\nfile = "{ZONES}/example.com.zone"\n'
    config.write_text(f'{zone}[[listen]]\naddress = "127.0.0.1"\nport = {port}\n')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", port))
        done = nw("config", "check", str(config))
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert len(lines) == 2 and lines[1] == f"{config}: OK, 1 zone"
    assert lines[0].startswith(f"warning: cannot listen on 127.0.0.1:{port} (udp): ")
    assert f"(pid {os.getpid()}) holds the port" in lines[0]
    assert lines[0].endswith(f"so that a server could not start ([[listen]] at {config}:6:1)")
    fine = (0, f"{config}: OK, 1 zone\n")
    with running("serve", "--config", str(config), "--control", control, ready="ready: "):
        done = nw("config", "check", str(config))
        assert (done.returncode, done.stdout) == fine, "the server runs with this configuration"
        copy = tmp_path / "copy.toml"
        copy.write_text(config.read_text())
        done = nw("config", "check", str(copy))
        assert done.returncode == 0 and done.stdout.count("holds the port") == 2, "UDP and TCP"
    config.write_text(f'{config.read_text()}[control]\nsocket = "{control}"\n')
    config.write_text(config.read_text().replace(str(port), str(other)))
    with running("serve", environ={"NAMEWISE_CONFIG": str(config)}, ready="ready: "):
        done = nw("config", "check", str(config))
        assert (done.returncode, done.stdout) == fine, "it says so on its control socket"
