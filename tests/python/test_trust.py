"""A running resolver follows the keys of a signed root, and excepts names from validation for a while."""

from __future__ import annotations

import shutil
import subprocess
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock
from xml.etree import ElementTree

import pytest
from commands import nw
from servers import running

from namewise import Server
from namewise.config import ConfigError, load
from namewise.control.service import Service
from namewise.control.trust import ANCHORS, NEGATIVE, Trust
from namewise.dnssec.anchors import DAY, HOLD_DOWN_S, State
from namewise.engine import Message, Resolve

if TYPE_CHECKING:
    from collections.abc import Iterator


pytestmark = pytest.mark.skipif(
    shutil.which("dnssec-signzone") is None, reason="BIND's tools are not installed"
)

ZONE = """\
$TTL 3600
. IN SOA ns. admin. 1 3600 900 604800 300
. NS ns.
ns. A 192.0.2.53
www.example. A 192.0.2.1
"""


class Root:
    """A signed root zone in *folder*, with keys to choose from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        keygen = ("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", ".")
        self.keys = [self._run(*keygen) for _ in range(2)]

    def record(self, key: int) -> str:
        """The DNSKEY record of a key."""
        lines = (self.folder / f"{self.keys[key]}.key").read_text().splitlines()
        return next(line for line in lines if not line.startswith(";"))

    def tag(self, key: int) -> int:
        return int(self.keys[key].rsplit("+", 1)[1])

    def sign(self, published: tuple[int, ...], signing: tuple[int, ...]) -> None:
        """Write `root.zone` with the *published* keys, signed by the *signing* ones for 90 days."""
        text = ZONE + "".join(f"{self.record(key)}\n" for key in published)
        (self.folder / "db").write_text(text)
        signers = [self.keys[key] for key in signing]
        times = ("-s", "now-3600", "-e", "now+7776000")
        self._run("dnssec-signzone", "-q", "-P", "-z", *times, "-o", ".", "-f", "root.zone", "db", *signers)

    def revoke(self, key: int) -> None:
        """Set the REVOKE bit of a key, which changes its tag."""
        path = self._run("dnssec-revoke", "-f", f"{self.keys[key]}.private")
        self.keys[key] = Path(path).name

    def digests(self) -> str:
        """The DS records of the keys."""
        return "".join(self._run("dnssec-dsfromkey", "-2", f"{key}.key") + "\n" for key in self.keys)

    def _run(self, *args: str) -> str:
        return subprocess.run(
            args, cwd=self.folder, capture_output=True, text=True, check=True
        ).stdout.strip()


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        import time

        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def root(tmp_path: Path) -> Root:
    made = Root(tmp_path)
    made.sign((0,), (0,))
    (tmp_path / "anchor").write_text(made.record(0) + "\n")
    return made


@pytest.fixture
def resolving(root: Root) -> Iterator[tuple[Server, Service, Trust, Clock]]:
    """The root's server, and the parts of a resolver that asks it."""
    with resolver_of(root) as parts:
        yield parts


@contextmanager
def resolver_of(root: Root) -> Iterator[tuple[Server, Service, Trust, Clock]]:
    """The same for the *root* as it is now."""
    listen = [{"address": "127.0.0.1", "port": 0}]
    zone = {"name": ".", "file": str(root.folder / "root.zone")}
    with Server({"listen": listen, "zone": [zone], "server": {"workers": 1}}) as authority:
        settings = {
            "listen": listen,
            "server": {"workers": 1, "state": str(root.folder)},
            "resolver": {
                "trust_anchor": str(root.folder / "anchor"),
                "ask_loopback": True,
                "validation": "on",
            },
            "forward": [{"suffix": ".", "servers": [authority.addresses[0]], "authoritative": True}],
        }
        # The tests set the clock and say when something is due, in place of the thread.
        with mock.patch.object(Service, "follow"), Server(settings) as resolver:
            service = resolver._service
            clock = Clock()
            trust = service.trust
            assert trust is not None
            trust._clock = clock
            trust.reloaded()
            yield authority, service, trust, clock


def rcode(service: Service, name: str = "www.example.") -> str:
    done = service.events.submit(Resolve(name, "A", steps=False)).result(10)
    assert done.wire is not None
    return Message.parse(done.wire).rcode


def test_a_new_key_becomes_an_anchor_and_the_old_one_is_dropped_when_it_is_revoked(
    root: Root, resolving: tuple[Server, Service, Trust, Clock]
) -> None:
    authority, service, trust, clock = resolving

    def states() -> dict[int, State]:
        (point,) = trust.now.points
        return {one.key.tag: one.state for one in point.keys}

    trust.act()
    assert states() == {root.tag(0): State.VALID} and rcode(service) == "NOERROR"
    root.sign((0, 1), (0,))
    authority.reload()
    clock.now += 2 * DAY
    trust.act()
    assert states()[root.tag(1)] is State.ADD_PEND
    generation = service.engine.generation
    clock.now += HOLD_DOWN_S + DAY
    trust.act()
    assert states()[root.tag(1)] is State.VALID and service.engine.generation > generation
    assert len(service.inputs.anchors) == 2 and len(service.inputs.configured) == 1
    # The new key alone signs now. A restart continues with what was saved.
    root.sign((1,), (1,))
    authority.reload()
    service.engine.flush()
    assert rcode(service) == "NOERROR"
    again = Trust(service, service.log, clock)
    again.load(str(root.folder))
    assert again.now.points == trust.now.points
    # A reload of the settings, which name the old key alone, changes nothing of it.
    service.reload()
    assert len(service.inputs.anchors) == 2


@pytest.mark.parametrize(
    ("published", "signing", "revoked", "trusted"),
    [((0, 1), (0,), False, 2), ((0, 1), (1,), False, 2), ((0, 1), (0, 1), True, 1), ((1,), (1,), False, 2)],
    ids=["before", "rolled", "revoked", "gone"],
)
def test_a_cold_start_with_the_digests_of_both_keys_resolves_throughout_the_roll(
    tmp_path: Path, published: tuple[int, ...], signing: tuple[int, ...], revoked: bool, trusted: int
) -> None:
    """The roll of the root's keys, 20326 to 38696, with keys that can sign."""
    root = Root(tmp_path)
    (tmp_path / "anchor").write_text(root.digests())
    if revoked:
        root.revoke(0)
    root.sign(published, signing)
    with resolver_of(root) as (_, service, trust, _clock):
        assert rcode(service) == "NOERROR"
        trust.act()
        assert len(service.inputs.anchors) == trusted
        assert [one.state for one in trust.now.points[0].keys].count(State.REVOKED) == int(revoked)
        service.engine.flush()
        assert rcode(service) == "NOERROR"


@pytest.mark.parametrize("signing", [(0, 1), (0,)], ids=["by both keys", "by the revoked key alone"])
def test_a_revocation_that_the_validator_sees_takes_effect_at_once(
    tmp_path: Path, signing: tuple[int, ...]
) -> None:
    root = Root(tmp_path)
    root.sign((0, 1), (0, 1))
    (tmp_path / "anchor").write_text(root.digests())
    with resolver_of(root) as (authority, service, trust, clock):
        trust.act()
        (point,) = trust.now.points
        assert len(point.anchors) == 2 and point.due > clock()
        root.revoke(0)
        root.sign((0, 1), signing)
        authority.reload()
        service.engine.flush()
        looked, woken = [], threading.Event()
        with mock.patch.object(trust._follower, "wake", woken.set):
            rcode(service)
            assert woken.wait(10), "the validator has seen the revoked key"
        with mock.patch.object(
            trust, "_look", side_effect=lambda one: looked.append(one.zone) or Trust._look(trust, one)
        ):
            trust.act()
            # Nothing is due a second time, and another notice of the same revocation is not acted on.
            trust.revoked(".")
            trust.act()
        assert looked == ["."]
        (point,) = trust.now.points
        assert [one.state for one in point.keys].count(State.REVOKED) == 1 and len(point.anchors) == 1
        assert service.inputs.anchors == point.anchors
        if signing == (0, 1):
            assert rcode(service) == "NOERROR"


def test_keys_that_nobody_trusted_signs_are_tried_again(
    root: Root, resolving: tuple[Server, Service, Trust, Clock]
) -> None:
    authority, service, trust, clock = resolving
    trust.act()
    root.sign((1,), (1,))
    authority.reload()
    clock.now += 2 * DAY
    before = trust.now.points[0]
    trust.act()
    after = trust.now.points[0]
    assert after.keys == before.keys and after.due == int(clock.now) + after.retry_s
    assert rcode(service) == "SERVFAIL"
    assert trust.failures == {".": "no trusted key signs them"}
    root.sign((0,), (0,))
    authority.reload()
    clock.now += 2 * DAY
    trust.act()
    assert trust.failures == {}


def test_a_negative_anchor_ends_after_its_lifetime_or_when_the_zone_validates(
    root: Root, resolving: tuple[Server, Service, Trust, Clock]
) -> None:
    authority, service, trust, clock = resolving
    root.sign((1,), (1,))
    authority.reload()
    assert rcode(service) == "SERVFAIL"
    trust.add("example.", 7200)
    assert rcode(service) == "NOERROR" and rcode(service, "www.other.") == "SERVFAIL"
    assert "example. until" in (root.folder / NEGATIVE).read_text()
    clock.now += 301
    trust.act()
    assert [one.name for one in trust.now.negative] == ["example."]
    clock.now += 7000
    trust.act()
    assert trust.now.negative == () and rcode(service) == "SERVFAIL"
    trust.add("example.", 7200)
    root.sign((0,), (0,))
    authority.reload()
    clock.now += 301
    trust.act()
    assert trust.now.negative == ()


def test_a_broken_file_is_left_alone_and_the_configured_anchors_count(
    root: Root, resolving: tuple[Server, Service, Trust, Clock]
) -> None:
    _, service, _, clock = resolving
    (root.folder / ANCHORS).write_text("; namewise trust anchors, version 1\nnonsense\n")
    said: list[str] = []

    class Log:
        def event(self, _level: str, _id: str, text: str, **_fields: object) -> None:
            said.append(text)

    trust = Trust(service, Log(), clock)  # type: ignore[arg-type]
    trust.load(str(root.folder))
    trust.reloaded()
    trust.act()
    assert "line 2: expected `zone`" in said[0] and len(trust.now.points[0].keys) == 1
    assert (root.folder / ANCHORS).read_text().endswith("nonsense\n")


def test_the_chain_of_trust_is_drawn_and_ends_where_it_breaks(
    root: Root, resolving: tuple[Server, Service, Trust, Clock]
) -> None:
    authority, *_ = resolving
    config = root.folder / "chain.toml"
    config.write_text(
        f'[resolver]\ntrust_anchor = "{root.folder}/anchor"\nask_loopback = true\n'
        f'[[forward]]\nservers = ["{authority.addresses[0]}"]\nauthoritative = true\n'
        'suffix = "."\n'
    )
    picture = root.folder / "chain.svg"
    done = nw("dnssec", "chain", "www.example", "--config", str(config), "--svg", str(picture))
    first, *lines = done.stdout.splitlines()
    drawn = ElementTree.fromstring(picture.read_text())
    said = "".join(drawn.itertext())
    assert drawn.tag.endswith("svg") and ". DNSKEY secure" in said and "www.example. A secure" in said
    assert done.returncode == 0 and first == "www.example. IN A: secure", done
    assert f"the trust anchor names key {root.tag(0)}" in lines[1] and "www.example. A secure" in lines[-1]
    root.sign((1,), (1,))
    authority.reload()
    done = nw("dnssec", "chain", "www.example", "--config", str(config))
    assert done.returncode == 3 and "bogus" in done.stdout.splitlines()[0], done


def test_ctl_shows_anchors_and_edits_negative_ones_which_survive_a_restart(root: Root) -> None:
    folder = root.folder
    config, control = folder / "namewise.toml", str(folder / "control.sock")
    config.write_text(
        f'[server]\nworkers = 1\nstate = "{folder}/state"\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
        f'[resolver]\ntrust_anchor = "{folder}/anchor"\nvalidation = "on"\n'
        '[[forward]]\nservers = ["127.0.0.1:1"]\n'
    )

    def ctl(*words: str) -> tuple[int, str]:
        done = nw("ctl", *words, "--control", control)
        return done.returncode, done.stdout + done.stderr

    serve = ("serve", "--config", str(config), "--control", control)
    with running(*serve, ready="ready: "):
        code, text = ctl("anchors")
        assert code == 0 and f"key {root.tag(0)} (algorithm 13): Valid" in text
        assert nw("dnssec", "anchors", "--control", control).stdout == text
        assert ctl("nta") == (0, "no negative trust anchors\n")
        code, text = ctl("nta", "add", "example.com", "--lifetime", "2h")
        assert code == 0 and text.startswith("example.com. until ")
        assert ctl("nta", "add", ".")[0] == 1
        assert ctl("nta", "add", "example.com", "--lifetime", "8d")[0] == 1
        assert ctl("nta", "remove", "example.org")[0] == 1
        assert ctl("nta", "add")[0] == 1 and ctl("status", "--lifetime", "1h")[0] == 1
    with running(*serve, ready="ready: "):
        code, text = ctl("nta", "list")
        assert code == 0 and text.startswith("example.com. until ")
        assert ctl("nta", "remove", "example.com") == (0, "no negative trust anchors\n")


def test_ctl_says_which_anchors_are_ignored(tmp_path: Path) -> None:
    config, control = tmp_path / "namewise.toml", str(tmp_path / "control.sock")
    digest = "00" * 32
    (tmp_path / "anchor").write_text(
        f". DS 1 13 99 {digest}\n. DS 2 13 2 {digest}\nexample. DS 3 200 2 {digest}\n"
    )
    config.write_text(
        '[server]\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
        f'[resolver]\ntrust_anchor = "{tmp_path}/anchor"\ncache_only = true\n'
    )
    with running("serve", "--config", str(config), "--control", control, ready="ready: "):
        lines = nw("ctl", "anchors", "--control", control).stdout.splitlines()
    assert "  key 1 (algorithm 13): Configured, ignored: digest type 99 is not supported" in lines
    assert "  key 2 (algorithm 13): Configured" in lines
    (at,) = (number for number, line in enumerate(lines) if line.startswith("example. "))
    assert lines[at + 1 :] == [
        "  no trust anchor is supported: nothing below is validated",
        "  key 3 (algorithm 200): Configured, ignored: algorithm 200 is not supported",
    ]


def test_a_reload_that_adds_a_resolver_begins_to_follow_what_was_saved(root: Root) -> None:
    folder, config = root.folder, root.folder / "namewise.toml"
    listen = f'[server]\nworkers = 1\nstate = "{folder}/state"\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
    resolver = f'[resolver]\ntrust_anchor = "{folder}/anchor"\ncache_only = true\n'
    (folder / "state").mkdir(mode=0o700)
    _, _, _, _, *added = root.record(1).split(None, 4)
    (folder / "state" / ANCHORS).write_text(
        "; namewise trust anchors, version 1\nzone . checked 1 due 4000000000 retry 3600\n"
        f"key Valid since 1 until 0 257 {added[0]}\n"
    )
    config.write_text(f'{listen}[[zone]]\nname = "."\nfile = "{folder}/root.zone"\n')
    control = str(folder / "control.sock")
    with running("serve", "--config", str(config), "--control", control, ready="ready: "):
        config.write_text(listen + resolver)
        assert nw("ctl", "reload", "--control", control).returncode == 0
        lines = nw("ctl", "anchors", "--control", control).stdout.splitlines()
        assert lines[0].startswith(". keys seen 1970-01-01T00:00:01Z")
        assert [f"key {root.tag(key)} " in "".join(lines) for key in (0, 1)] == [True, True]
    assert (folder / "state" / "cache.bin").exists(), "the cache is saved, too"
    with Server({"listen": [{"address": "127.0.0.1", "port": 0}]}) as server:
        service = server._service
        assert service.trust is None
        service.load = lambda: load(str(config), environ={})
        server.reload()
        trust = server._service.trust
        assert trust is not None and trust._follower.started and len(trust.now.points) == 1


def test_what_the_cache_holds_is_judged_anew_when_trust_changes(tmp_path: Path) -> None:
    """Data that were cached without validation, or by an anchor that is gone, are served to nobody who relies on validation."""
    root = Root(tmp_path)
    root.sign((0,), (0,))
    (tmp_path / "right").write_text(root.record(0) + "\n")
    (tmp_path / "wrong").write_text(root.record(1) + "\n")
    listen = [{"address": "127.0.0.1", "port": 0}]
    zone = {"name": ".", "file": str(tmp_path / "root.zone")}
    config, anchor = tmp_path / "namewise.toml", tmp_path / "anchor"
    with Server({"listen": listen, "zone": [zone], "server": {"workers": 1}}) as authority:

        def settings(validation: str) -> None:
            config.write_text(
                '[server]\nworkers = 1\n[[listen]]\naddress = "127.0.0.1"\nport = 0\n'
                f'[resolver]\nask_loopback = true\nvalidation = "{validation}"\ntrust_anchor = "anchor"\n'
                f'trust_anchor_updates = false\n[[forward]]\nservers = ["{authority.addresses[0]}"]\nauthoritative = true\n'
            )

        anchor.write_text((tmp_path / "wrong").read_text())
        settings("off")
        file = str(tmp_path / "cache.bin")
        with Server(str(config)) as resolver:
            service = resolver._service
            assert rcode(service) == "NOERROR"
            settings("on")
            resolver.reload()
            assert rcode(service) == "SERVFAIL", "cached without validation"
            anchor.write_text((tmp_path / "right").read_text())
            (gone, come) = resolver.reload()
            assert gone.startswith("- trust anchor . IN DNSKEY") and come.startswith("+ trust anchor . IN")
            assert rcode(service) == "NOERROR"
            service.engine.save_cache(file)
            anchor.write_text((tmp_path / "wrong").read_text())
            resolver.reload()
            assert rcode(service) == "SERVFAIL", "secure by an anchor that is gone"
            service.engine.flush()
            assert service.engine.load_cache(file) is None, "saved while that anchor was there"
            assert rcode(service) == "SERVFAIL"
            both = (tmp_path / "right").read_text() + (tmp_path / "wrong").read_text()
            anchor.write_text(both)
            resolver.reload()
            assert service.engine.load_cache(file), "a further anchor proves no less"
            # A file that was cut off does not switch validation off.
            anchor.write_text("; nothing\n")
            with pytest.raises(ConfigError, match="anchor has no trust anchor"):
                resolver.reload()
            assert len(service.inputs.anchors) == 2
