"""Stubs and validators behind our resolver: dnsmasq, Unbound, glibc, delv and drill; zones that PowerDNS signs."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import asking
import peers
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from internet import Internet
    from peers import Where

ADDRESS = "www.example.lab. a 198.51.100.1"
ALIAS = {"alias.example.lab. cname www.hoster.far.", "www.hoster.far. a 198.51.100.2"}


def needs(*programs: str) -> None:
    """Skip the test if a program is not installed."""
    for program in programs:
        if shutil.which(program, path="/usr/sbin:/usr/bin") is None:
            pytest.skip(f"{program} is not installed")


def output(*command: object) -> str:
    """Return what *command* wrote."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


# --- stubs
@pytest.fixture(scope="module", params=["dnsmasq", "unbound"])
def stub(
    request: pytest.FixtureRequest,
    our_resolver: Where,
    net: Internet,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Where]:
    """A forwarder whose upstream is our resolver. Unbound validates; dnsmasq does not."""
    folder, where = tmp_path_factory.mktemp(request.param), peers.free_address("127.0.0.1")
    if request.param == "unbound":
        address, port = our_resolver
        anchor = f' trust-anchor-file: "{net.anchor}"'
        forward = f'forward-zone:\n name: "."\n forward-addr: {address}@{port}'
        server = peers.unbound(folder, where, [anchor, forward])
    else:
        needs("dnsmasq")
        upstream = f"--server={our_resolver[0]}#{our_resolver[1]}"
        listen = [f"--port={where[1]}", f"--listen-address={where[0]}", "--bind-interfaces", "--interface=lo"]
        command = [
            "/usr/sbin/dnsmasq",
            "--keep-in-foreground",
            *listen,
            "--no-resolv",
            "--no-hosts",
            upstream,
        ]
        server = peers.Server([*command, "--pid-file=", "--user=", "--conf-file=/dev/null"], folder, where)
    with peers.running(server):
        yield server.answers("lab.").where


def test_forwarders_get_what_they_ask_for(stub: Where) -> None:
    assert asking.ask("dig", stub, "www.example.lab").answer == {ADDRESS}
    assert asking.ask("dig", stub, "alias.example.lab").answer == ALIAS
    assert asking.ask("dig", stub, "missing.example.lab").rcode == "NXDOMAIN"
    empty = asking.ask("dig", stub, "only4.example.lab", "AAAA")
    assert (empty.rcode, empty.answer) == ("NOERROR", set())
    assert len(asking.ask("dig", stub, "big.example.lab", "TXT", "+tcp").answer) == 1


def test_a_validator_behind_us_finds_signed_data_secure_and_altered_data_bogus(
    stub: Where, request: pytest.FixtureRequest
) -> None:
    if "dnsmasq" in request.node.name:
        pytest.skip("this stub does not validate")
    for zone in ("nsec.lab", "nsec3.lab"):
        for name, rtype in (("www", "A"), ("missing", "A"), ("only4", "AAAA"), ("any.wild", "TXT")):
            reply = asking.ask("dig", stub, f"{name}.{zone}", rtype, "+dnssec")
            assert "ad" in reply.flags, reply.text
    assert asking.ask("dig", stub, "www.bogus.lab").rcode == "SERVFAIL"


def test_glibc_resolves_through_us(
    net: Internet, our_internet: None, inside: Sequence[str], tmp_path: Path
) -> None:
    needs("getent")
    config = tmp_path / "namewise.toml"
    config.write_text(f'[resolver]\nhints = "{net.hints(tmp_path)}"\n')
    resolv = tmp_path / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.53\noptions timeout:5\n")
    server = peers.namewise(
        tmp_path / "ours", ("127.0.0.53", 53), "--config", config, "--recursive", inside=inside
    )
    private = [*inside, "unshare", "--mount", "sh", "-c"]
    bind = f"mount --bind {resolv} /etc/resolv.conf && "
    with peers.running(server):
        server.answers("lab.")
        found = output(*private, bind + "getent ahosts www.example.lab")
        if "mount:" in found:
            pytest.skip("no mount namespace here")
        # glibc asks for AAAA records only where there is IPv6.
        assert "198.51.100.1 " in found, found
        assert "198.51.100.2" in output(*private, bind + "getent hosts alias.example.lab")
        missing = output(*private, bind + "getent hosts missing.example.lab; echo status $?")
        assert missing == "status 2\n"


# --- validators
def test_delv_validates_through_us(our_resolver: Where, net: Internet, tmp_path: Path) -> None:
    needs("delv")
    anchors = tmp_path / "anchors"
    fields = net.anchor.read_text().splitlines()[0].split()
    tag, algorithm, kind, *digest = fields[fields.index("DS") + 1 :]
    anchors.write_text(f'trust-anchors {{ . static-ds {tag} {algorithm} {kind} "{"".join(digest)}"; }};\n')
    ask = ["delv", f"@{our_resolver[0]}", "-p", our_resolver[1], "-a", anchors, "+root=."]
    for name, rtype in (("www.nsec.lab", "A"), ("www.nsec3.lab", "A"), ("any.wild.nsec3.lab", "TXT")):
        assert "; fully validated" in output(*ask, name, rtype)
    assert "; negative response, fully validated" in output(*ask, "missing.nsec.lab", "A")
    assert "; unsigned answer" in output(*ask, "www.example.lab", "A")
    assert "resolution failed" in output(*ask, "www.bogus.lab", "A")


def test_drill_chases_signatures_through_us(our_resolver: Where, net: Internet) -> None:
    needs("drill")
    ask = ["drill", "-S", "-k", net.anchor, "-p", our_resolver[1]]
    for name in ("www.nsec.lab", "www.nsec3.lab"):
        said = output(*ask, name, "A", f"@{our_resolver[0]}")
        assert ";; Chase successful" in said, said
    assert ";; Chase successful" not in output(*ask, "www.bogus.lab", "A", f"@{our_resolver[0]}")


# --- PowerDNS signs
@pytest.fixture(scope="module", params=["nsec", "nsec3", "nsec3-opt-out"])
def powerdns(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Where, str, bool]]:
    """A zone `pdns.lab.` that PowerDNS signs as it answers, the DS record of its key, and whether it opts out."""
    needs("pdns_server", "pdnsutil")
    folder, where = tmp_path_factory.mktemp(request.param), peers.free_address("127.0.0.1")
    (folder / "zone").write_text(
        "$TTL 300\n@ SOA ns h 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\nwww A 198.51.100.1\n"
        "alias CNAME www\n*.wild TXT wild\na.b.deep A 198.51.100.5\nsub NS ns.sub\nns.sub A 127.0.0.1\n"
    )
    (folder / "named.conf").write_text(f'zone "pdns.lab" {{ type native; file "{folder}/zone"; }};\n')
    (folder / "pdns.conf").write_text(
        f"launch=bind\nbind-config={folder}/named.conf\nbind-dnssec-db={folder}/keys.db\nlocal-address={where[0]}\n"
        f"local-port={where[1]}\nsocket-dir={folder}\nsetuid=\nsetgid=\nsecurity-poll-suffix=\ncache-ttl=0\n"
    )
    util = ["pdnsutil", f"--config-dir={folder}"]
    output(*util, "create-bind-db", folder / "keys.db")
    assert "secured" in output(*util, "secure-zone", "pdns.lab")
    if request.param != "nsec":
        assert "NSEC3" in output(*util, "set-nsec3", "pdns.lab", f"1 {int('opt' in request.param)} 0 -")
    lines = output(*util, "export-zone-ds", "pdns.lab").splitlines()
    ds = next(line.partition(";")[0].strip() for line in lines if " 13 2 " in line)
    server = peers.Server(["/usr/sbin/pdns_server", f"--config-dir={folder}", "--daemon=no"], folder, where)
    with peers.running(server):
        yield server.answers("pdns.lab.").where, ds, "opt-out" in request.param


def test_we_validate_zones_that_powerdns_signs(powerdns: tuple[Where, str, bool], tmp_path: Path) -> None:
    (address, port), ds, opts_out = powerdns
    config, anchor = tmp_path / "namewise.toml", tmp_path / "anchor"
    anchor.write_text(f"{ds}\n")
    config.write_text(
        f'[resolver]\ntrust_anchor = "{anchor}"\ntrust_anchor_updates = false\nvalidation = "on"\n'
        f'[[forward]]\nsuffix = "pdns.lab."\nservers = ["{address}:{port}"]\nauthoritative = true\n'
    )
    with peers.running(
        peers.namewise(tmp_path / "ours", peers.free_address(), "--config", config, "--recursive")
    ) as server:
        where = server.answers("pdns.lab.").where
        cases = {
            ("www", "A"): "NOERROR",
            ("alias", "A"): "NOERROR",
            ("x.wild", "TXT"): "NOERROR",
            ("www", "MX"): "NOERROR",
            ("b.deep", "A"): "NOERROR",
            ("missing", "A"): "NXDOMAIN",
            ("", "DNSKEY"): "NOERROR",
            ("sub", "DS"): "NOERROR",
        }
        for (label, rtype), rcode in cases.items():
            reply = asking.ask("dig", where, f"{label}.pdns.lab".lstrip("."), rtype, "+dnssec")
            assert reply.rcode == rcode, reply.text
            # In an opt-out span, a denial is not secure (RFC 5155 §9.2).
            insecure = opts_out and (label in ("missing", "sub", "x.wild"))
            assert ("ad" in reply.flags) is not insecure, reply.text
