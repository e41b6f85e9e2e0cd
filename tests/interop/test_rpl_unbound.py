"""Unbound, for which the language was made, behaves as the `.rpl` scripts say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("rpl_unbound.py")
FOLDER = SCRIPT.parent.parent / "scenarios" / "rpl"
LEFT_OUT = {
    "a virtual clock": (
        *("access-control-local", "negative-nxdomain", "stub-first", "ttl-ageing", "retry-late-reply"),
        *("serve-expired", "serve-expired-at-once", "serve-expired-ends", "serve-expired-off"),
    ),
    "steps of Unbound's test program": (
        *("expire-message", "expire-message-at-once", "expire-message-ends", "expire-message-off"),
        *("flush-message", "retry-timeout"),
    ),
    "the flat dialect": ("case-of-the-name", "iter-flat-dialect"),
    "octets of a reply, another id, silence": ("junk-hex-answer", "junk-wrong-id", "retry-other-server"),
    "Unbound asks silent servers for longer than a client waits": ("iter-lame-upward",),
    "Unbound looks for DS records below the zone, which the script does not have": (
        "validator/bogus-missing-rrsig",
        "validator/bogus-nsec-nxdomain-without-proof",
        "validator/bogus-nsec3-nxdomain-without-proof",
    ),
    # RFC 7646 §2: the negative trust anchor applies. For Unbound, the trust anchor of the same name does.
    "Unbound differs": ("validator/anchor-insecure", "validator/dname-wrong-synthesis"),
}
"""Scripts that are not played, by what they need."""


def test_unbound_agrees_with_the_scripts() -> None:
    if shutil.which("unbound", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("unbound is not installed")
    names = {str(file.relative_to(FOLDER).with_suffix("")) for file in FOLDER.rglob("*.rpl")}
    left_out = {name for names in LEFT_OUT.values() for name in names}
    assert left_out <= names
    files = [f"{name}.rpl" for name in sorted(names - left_out)]
    run = subprocess.run(
        [sys.executable, SCRIPT, *files], cwd=FOLDER, capture_output=True, text=True, timeout=600
    )
    if run.stdout.startswith("skipped: "):
        pytest.skip(run.stdout.removeprefix("skipped: ").strip())
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(files)} agree, 0 differ, 0 left out" in run.stdout, run.stdout
