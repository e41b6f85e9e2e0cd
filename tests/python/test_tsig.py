"""TSIG keys of clients: the forms that tools read, signatures, and what the server's errors become."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import pytest
from ports import free_port
from servers import running, zone_file

from namewise.engine import Message, TsigKey, Verifier, make_query, make_response
from namewise.engine.errors import TsigError
from namewise.tools import keys
from namewise.tools.dig.run import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SECRET = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
NOW = 1_700_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with two keys, as `127.0.0.1 -p PORT`."""
    folder, port = tmp_path_factory.mktemp("tsig"), free_port()
    zone_file(folder, "example", "192.0.2.80")
    (folder / "namewise.toml").write_text(
        f'[[listen]]\naddress = "127.0.0.1"\nport = {port}\n[control]\nsocket = "{folder}/c"\n[[zone]]\nname = "example"\nkind = "file"\n'
        f'file = "example.zone"\n[[key]]\nname = "k1"\nsecret = "{SECRET}"\n'
        f'[[key]]\nname = "k5"\nalgorithm = "hmac-sha512"\nsecret = "{SECRET}"\n'
    )
    with running("serve", "--config", str(folder / "namewise.toml"), ready="ready"):
        yield str(port)


class Dug(NamedTuple):
    stdout: str
    stderr: str
    code: int


Dig = Callable[..., Dug]


@pytest.fixture
def dig(capsys: pytest.CaptureFixture[str]) -> Dig:
    """Runs `nw dig` in this process."""

    def run(server: str, *more: str) -> Dug:
        code = main(["@127.0.0.1", "-p", server, "+tries=1", "www.example", *more])
        return Dug(*capsys.readouterr(), code)

    return run


def test_a_signed_query_gets_a_verified_answer(server: str, dig: Dig) -> None:
    for key in (f"hmac-sha256:k1:{SECRET}", f"hmac-sha512:K5.:{SECRET}"):
        done = dig(server, "-y", key)
        assert "192.0.2.80" in done.stdout and "TSIG PSEUDOSECTION" in done.stdout
        assert "validated" not in done.stdout and not done.stderr
    assert json.loads(dig(server, "-y", f"hmac-sha256:k1:{SECRET}", "+json").stdout)["tsig"] == "verified"
    over_tcp = dig(server, "-y", f"hmac-sha256:k1:{SECRET}", "+tcp")
    assert "192.0.2.80" in over_tcp.stdout and not over_tcp.stderr


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("hmac-sha256:k1:AAAA", "BADSIG"),
        (f"hmac-sha256:other:{SECRET}", "BADKEY"),
        (f"hmac-sha512:k1:{SECRET}", "BADKEY"),
        (f"hmac-sha256-128:k1:{SECRET}", "BADTRUNC"),
    ],
)
def test_the_error_of_the_server_is_shown_as_dig_does(server: str, dig: Dig, key: str, word: str) -> None:
    done = dig(server, "-y", key)
    assert done.stdout.startswith(";; Couldn't verify signature: tsig indicates error\n")
    assert done.stdout.endswith(";; WARNING -- Some TSIG could not be validated\n\n")
    assert "status: NOTAUTH" in done.stdout and f" {word} " in done.stdout
    assert f"the server reports {word}" in done.stderr and done.code == 0
    assert word in str(json.loads(dig(server, "-y", key, "+json").stdout)["tsig"])


def test_replies_are_verified_against_the_request() -> None:
    key, query = TsigKey("k1", "hmac-sha256", b"secret"), make_query("example", "A")
    signed = key.sign(query.wire, NOW)
    assert "secret" not in repr(key) and len(signed.mac) == key.size == 32
    assert len(key.sign(query.wire, NOW, key.least).mac) == 16
    with pytest.raises(ValueError, match="16 to 32 octets"):
        key.sign(query.wire, NOW, 15)
    with pytest.raises(ValueError, match="supported"):
        TsigKey("k1", "hmac-sha3", b"secret")
    with pytest.raises(TsigError) as caught:
        Verifier(key, signed.mac).read(make_response(query).wire, NOW)
    assert (caught.value.code, caught.value.reported) == ("UNSIGNED", None)


def test_dnspython_verifies_our_requests_and_we_its_replies() -> None:
    pytest.importorskip("dns")
    import dns.message
    import dns.name
    import dns.tsig

    for algorithm in ("hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"):
        key = TsigKey("k1.", algorithm, b"secret")
        ring = {dns.name.from_text("k1."): dns.tsig.Key("k1.", b"secret", key.algorithm)}
        now = int(time.time())
        signed = key.sign(make_query("example", "A").wire, now)
        theirs = dns.message.from_wire(signed.wire, keyring=ring)
        assert theirs.had_tsig and theirs.mac == signed.mac
        reply = dns.message.make_response(theirs)
        assert Verifier(key, signed.mac).read(reply.to_wire(), now)
        assert Message.parse(signed.wire).id == theirs.id


def test_key_files_of_bind(tmp_path: Path) -> None:
    statement = tmp_path / "k1.key.conf"
    statement.write_text(
        f'# a key\nkey "k1.example" {{\n\talgorithm hmac-sha384-256; // cut\n\tsecret "{SECRET}";\n}};\n'
    )
    key = keys.from_file(str(statement))
    assert (str(key.key.name), key.key.algorithm, key.octets) == ("k1.example.", "hmac-sha384.", 32)
    private = tmp_path / "Kk2.example.+165+12345.private"
    private.write_text(f"Private-key-format: v1.3\nAlgorithm: 165 (HMAC_SHA512)\nKey: {SECRET}\nBits: AAA=\n")
    for path in (private, tmp_path / "Kk2.example.+165+12345.key", tmp_path / "Kk2.example.+165+12345"):
        key = keys.from_file(str(path))
        assert (str(key.key.name), key.key.algorithm, key.octets) == ("k2.example.", "hmac-sha512.", 64)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("k1", "ALGORITHM"),
        ("hmac-sha256:k1:!!", "base64"),
        ("hmac-sha256:k1:", "empty"),
        ("hmac-sha256-100:k1:AAAA", "steps of 8"),
        ("hmac-sha256-64:k1:AAAA", "128 to 256"),
        ("hmac-sha9:k1:AAAA", "supported"),
        ("hmac-sha256:a..b:AAAA", "key a..b"),
    ],
)
def test_a_key_that_cannot_be_read_is_refused(dig: Dig, text: str, why: str) -> None:
    with pytest.raises(keys.BadKey, match=why) as caught:
        keys.from_option(text)
    assert "AAAA" not in str(caught.value)
    done = dig("1", "-y", text)
    assert done.code == 1 and why in done.stderr and not done.stdout


def test_a_key_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("options { };")
    (tmp_path / "K1.private").write_text("Algorithm: 13 (ECDSAP256SHA256)\n")
    for name, why in (
        ("empty", "no key statement"),
        ("nothing", "No such file"),
        ("K1.private", "Algorithm 13"),
    ):
        with pytest.raises(keys.BadKey, match=why):
            keys.from_file(str(tmp_path / name))
