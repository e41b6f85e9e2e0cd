"""Play each scenario that is `standard` against Unbound and BIND, and report which of them agree.

    python3 tests/interop/scenarios_peers.py [--peer unbound|named] [--shard I/N] [--json FILE] [FILE ...]

A scenario's hosts are played at their true addresses and port 53, inside a network namespace whose only
interface is loopback (root, or unprivileged user namespaces). Resolver scenarios: the peer is the
resolver, with the scenario's root servers as hints. Authoritative scenarios: named serves the zones.
Compared is what a client sees; questions to servers, reasons and times are the simulation's. Left out,
with the reason: scenarios whose `peers_skip` says why. A difference that a scenario's `peers_differ`
names for the peer is accepted. Exit status: 0 every scenario has a peer that agrees, or differs as
accepted; 1 not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SCENARIOS = ROOT / "tests" / "scenarios"
RESOLVER = "10.53.0.1"
CLIENT = "10.53.0.2"
# False answers come from here.
ELSEWHERE = "203.0.113.99"
INSIDE = "SCENARIO_NAMESPACE"


# --- the stage
def enter_namespace() -> None:
    """Go on in a network namespace of our own, where every address is ours."""
    if os.environ.get(INSIDE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    if subprocess.run([*unshare, "true"], capture_output=True).returncode != 0:
        print("skipped: network namespaces cannot be made here")
        sys.exit(0)
    os.environ[INSIDE] = "1"
    os.execvp("unshare", [*unshare, sys.executable, *sys.argv])


def use_addresses(addresses: set[str]) -> None:
    """Have exactly these addresses on loopback."""
    subprocess.run(["ip", "addr", "flush", "dev", "lo", "scope", "global"], check=False, capture_output=True)
    for address in sorted(addresses):
        width = "/128" if ":" in address else "/32"
        # Usable at once, without duplicate address detection.
        now = ["nodad"] if ":" in address else []
        add = ["ip", "addr", "add", address + width, "dev", "lo", *now]
        subprocess.run(add, check=False, capture_output=True)


def build_hosts() -> Path:
    """The program that plays hosts and asks."""
    build = ["cargo", "build", "-q", "-p", "nw-sim", "--example", "scenario_hosts"]
    subprocess.run(build, cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "debug" / "examples" / "scenario_hosts"


def address_record(name: str, address: str) -> str:
    """The A or AAAA record of a name."""
    return f"{name} 3600000 {'AAAA' if ':' in address else 'A'} {address}"


def root_hints(scenario: dict) -> str:
    """Name servers of the root and their addresses, as a hints file."""
    hints = (scenario.get("resolver") or {}).get("hints") or {}
    lines = []
    for name, addresses in hints.items():
        lines.append(f". 3600000 NS {name}")
        lines += [address_record(name, address) for address in addresses]
    if not lines:
        for host in scenario.get("host", []):
            if "." in host.get("zones", {}):
                lines.append(". 3600000 NS a.root-servers.net.")
                lines += [address_record("a.root-servers.net.", address) for address in host["addresses"]]
    return "\n".join(lines) + "\n"


# --- the peers
def quietly(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a server without its log."""
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def trust_anchors(hosts: Path, file: Path) -> list[str]:
    """The DS records that the resolver of the scenario in *file* trusts; none: it does not validate."""
    printed = subprocess.run([hosts, file, "--anchors"], check=True, capture_output=True, text=True)
    return printed.stdout.splitlines()


def settings_of(scenario: dict) -> tuple[list[str], str]:
    """The settings of the server under test that peers have, too: the prefixes of DNS64, and the NSID in hexadecimal digits."""
    settings = scenario.get("settings", {})
    prefixes = [rule["prefix"] for rule in settings.get("dns64", [])]
    return prefixes, settings.get("server", {}).get("nsid", "")


def start_unbound(folder: Path, scenario: dict, anchors: list[str]) -> subprocess.Popen[bytes]:
    (folder / "hints").write_text(root_hints(scenario))
    ipv6 = "yes" if scenario["resolver"].get("ipv6") else "no"
    forwards = "".join(
        f'{"stub-zone" if f.get("authoritative") else "forward-zone"}:\n  name: "{f["suffix"]}"\n'
        + "".join(f"  {'stub' if f.get('authoritative') else 'forward'}-addr: {a}\n" for a in f["servers"])
        for f in scenario["resolver"].get("forward", [])
    )
    trusted = "".join(f'  trust-anchor: "{anchor}"\n' for anchor in anchors)
    negative = scenario["resolver"].get("negative_trust_anchors", [])
    dns64, nsid = settings_of(scenario)
    trusted += "".join(f"  dns64-prefix: {prefix}\n" for prefix in dns64)
    trusted += f"  nsid: {nsid}\n" if nsid else ""
    trusted += "".join(f'  domain-insecure: "{name}"\n' for name in negative)
    (folder / "unbound.conf").write_text(
        f"""server:
  interface: {RESOLVER}
  access-control: 0.0.0.0/0 allow
  directory: "{folder}"
  pidfile: ""
  chroot: ""
  username: ""
  use-syslog: no
  do-daemonize: no
  do-ip6: {ipv6}
  module-config: "{"dns64 " if dns64 else ""}{"validator " if anchors else ""}iterator"
{trusted}  root-hints: "{folder}/hints"
  qname-minimisation: no
  do-not-query-localhost: no
  num-threads: 1
remote-control:
  control-enable: no
{forwards}"""
    )
    return quietly(["unbound", "-d", "-p", "-c", str(folder / "unbound.conf")])


def start_named(folder: Path, scenario: dict, anchors: list[str]) -> subprocess.Popen[bytes]:
    zones, listen4, listen6, recursion = [], [], [], "no"
    if "resolver" in scenario:
        (folder / "hints").write_text(root_hints(scenario))
        zones.append(f'zone "." {{ type hint; file "{folder}/hints"; }};')
        for forward in scenario["resolver"].get("forward", []):
            addresses = "; ".join(forward["servers"])
            servers = f"forward only; forwarders {{ {addresses}; }};"
            zones.append(f'zone "{forward["suffix"]}" {{ type forward; {servers} }};')
        listen4, recursion = [RESOLVER], "yes"
        if not scenario["resolver"].get("ipv6"):
            zones.append("server ::/0 { bogus yes; };")
    else:
        asked = {step["to"] for step in scenario["step"] if "to" in step}
        for host in scenario["host"]:
            if host["name"] not in asked:
                continue
            for address in host["addresses"]:
                (listen6 if ":" in address else listen4).append(address)
            for at, (apex, text) in enumerate(host.get("zones", {}).items()):
                file = folder / f"zone{at}"
                file.write_text(text.lstrip("\n"))
                data = f'type primary; file "{file}"; check-names ignore;'
                zones.append(f'zone "{apex}" {{ {data} }};')

    negative = (scenario.get("resolver") or {}).get("negative_trust_anchors", [])
    for anchor in anchors:
        owner, _, _, tag, algorithm, digest_type, digest = anchor.split(maxsplit=6)
        record = f'static-ds {tag} {algorithm} {digest_type} "{digest}"'
        zones.append(f'trust-anchors {{ "{owner}" {record}; }};')

    dns64, nsid = settings_of(scenario)
    settings = "".join(f"dns64 {prefix} {{ clients {{ any; }}; break-dnssec yes; }}; " for prefix in dns64)
    settings += f'server-id "{bytes.fromhex(nsid).decode()}";' if nsid else ""

    def group(addresses: list[str]) -> str:
        return "{ " + "".join(f"{address}; " for address in addresses or ["none"]) + "}"

    (folder / "named.conf").write_text(
        f"""options {{
  directory "{folder}";
  pid-file none;
  session-keyfile "{folder}/session.key";
  listen-on {group(listen4)};
  listen-on-v6 {group(listen6)};
  recursion {recursion};
  allow-query {{ any; }};
  allow-recursion {{ any; }};
  dnssec-validation {"yes" if anchors else "no"};
  validate-except {group([f'"{name}"' for name in negative]).replace("none; ", "")};
  qname-minimization off;
  notify no; {settings}
}};
controls {{ }};
logging {{ category default {{ null; }}; }};
"""
        + "\n".join(zones)
        + "\n"
    )
    return quietly(["named", "-g", "-n", "1", "-c", str(folder / "named.conf")])


def start_namewise(folder: Path, scenario: dict, anchors: list[str]) -> subprocess.Popen[bytes]:
    """Start `nw serve` of this environment. Only root hints and trust anchors are set."""
    (folder / "hints").write_text(root_hints(scenario))
    (folder / "anchors").write_text("".join(f"{anchor}\n" for anchor in anchors))
    trust = ["--trust-anchor", str(folder / "anchors")] if anchors else []
    config = folder / "namewise.toml"
    dns64, nsid = settings_of(scenario)
    settings = "".join(f'[[dns64]]\nprefix = "{prefix}"\n' for prefix in dns64)
    settings += f'[server]\nnsid = "{bytes.fromhex(nsid).decode()}"\n' if nsid else ""
    config.write_text(
        f'[[listen]]\naddress = "{RESOLVER}"\n[[policy]]\npolicy = "acl"\non = "recursion"\nallow = ["any"]\n'
        f'[resolver]\nhints = "{folder}/hints"\n{settings}'
    )
    nw = Path(sys.executable).parent / "nw"
    control = ["--control", str(folder / "control.sock")]
    return quietly([str(nw), "serve", "--config", str(config), "--workers", "1", *control, *trust])


def wait_for(address: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether a server answers at `address` within five seconds."""
    # Every server refuses a question in class HS, and the resolver sends no query for it.
    query = struct.pack(">6H", 1, 0, 1, 0, 0, 0) + b"\x01x\x00" + struct.pack(">2H", 1, 4)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(100):
        if process.poll() is not None:
            return False
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.settimeout(0.05)
            try:
                probe.sendto(query, (address, 53))
                probe.recv(512)
                return True
            except OSError:
                time.sleep(0.02)
    return False


# --- the playing
def play(hosts: Path, file: Path, scenario: dict, peer: str) -> dict:
    """The verdict of one peer on one scenario."""
    resolver = "resolver" in scenario
    addresses = {address for host in scenario.get("host", []) for address in host["addresses"]}
    use_addresses(addresses | {RESOLVER, CLIENT, ELSEWHERE})
    arguments = [str(hosts), str(file), *([RESOLVER] if resolver else [])]
    with tempfile.TemporaryDirectory(prefix="scenario-") as name:
        actors = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        server: subprocess.Popen[bytes] | None = None
        try:
            assert actors.stdin is not None and actors.stdout is not None
            if actors.stdout.readline().strip() != "ready":
                return {"agrees": None, "problem": "the hosts did not start"}
            anchors = trust_anchors(hosts, file) if resolver else []
            server = (start_unbound if peer == "unbound" else start_named)(Path(name), scenario, anchors)
            asked = [step["to"] for step in scenario["step"] if "to" in step]
            first = {host["name"]: host["addresses"][0] for host in scenario.get("host", [])}
            if not wait_for(RESOLVER if resolver else first[asked[0]], server):
                return {"agrees": None, "problem": f"{peer} did not start"}
            answer, _ = actors.communicate("go\n", timeout=180)
            lines = answer.strip().splitlines()
            return json.loads(lines[-1]) if lines else {"agrees": None, "problem": "no verdict"}
        except subprocess.TimeoutExpired:
            return {"agrees": None, "problem": "took too long"}
        finally:
            for process in (actors, server):
                if process is not None and process.poll() is None:
                    process.terminate()
                    process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", action="append", choices=["unbound", "named"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--shard", default="0/1", help="of N parts of the scenarios, play part I (from 0)")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    wanted = options.peer or ["unbound", "named"]
    peers = [peer for peer in wanted if shutil.which(peer, path="/usr/sbin:/usr/bin")]
    if not peers:
        print("skipped: neither unbound nor named is installed")
        return 0
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    hosts = build_hosts() if not os.environ.get(INSIDE) else Path(os.environ[INSIDE + "_HOSTS"])
    os.environ[INSIDE + "_HOSTS"] = str(hosts)
    enter_namespace()
    counts = {"agree": 0, "differ": 0, "accepted": 0, "left out": 0}
    rows, alone = [], []
    part, parts = (int(number) for number in options.shard.split("/"))
    for file in sorted(options.files or SCENARIOS.rglob("*.toml"))[part::parts]:
        scenario = tomllib.loads(file.read_text())
        ours = file.resolve().is_relative_to(SCENARIOS)
        name = str(file.resolve().relative_to(SCENARIOS)) if ours else str(file)
        reason = scenario.get("peers_skip")
        if not scenario["standard"]:
            reason = "not standard: peers may differ"
        if reason:
            counts["left out"] += 1
            rows.append({"scenario": name, "left_out": reason})
            print(f"left out  {name}: {reason}")
            continue
        good = False
        for peer in peers:
            if peer == "unbound" and "resolver" not in scenario:
                continue  # Unbound is not an authoritative server.
            verdict = play(hosts, file, scenario, peer)
            accepted = scenario.get("peers_differ", {}).get(peer)
            if not verdict["agrees"] and not accepted:
                # Peers run in real time: on a busy machine, a timeout of theirs may come too early.
                verdict = play(hosts, file, scenario, peer)
            word = "agree" if verdict["agrees"] else "accepted" if accepted else "differ"
            good |= word != "differ"
            counts[word] += 1
            rows.append({"scenario": name, "peer": peer, "verdict": word, **verdict})
            detail = ""
            if not verdict["agrees"]:
                where = "step {step}, {field}: expected {expected}, got {got}"
                said = verdict.get("problem") or where.format(**verdict)
                detail = f": {said}" + (f" ({accepted})" if accepted else "")
            print(f"{word:9} {name} with {peer}{detail}", flush=True)
        if not good and ("resolver" in scenario or "named" in peers):
            alone.append(name)
    print(", ".join(f"{number} {word}" for word, number in counts.items()))
    if alone:
        print("no peer agrees: " + ", ".join(alone))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 1 if alone else 0


if __name__ == "__main__":
    sys.exit(main())
