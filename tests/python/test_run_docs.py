"""The runner of the pages: commands run in a network and a /tmp of their own, or one run at a time."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/run-docs"
PAGE = """\
```console
$ mkdir /tmp/namewise-test-run-docs && sleep 0.5 && rmdir /tmp/namewise-test-run-docs
```

```console background
$ python3 -m http.server --bind 127.0.0.1 48763
...
```
"""


def test_two_runs_at_once_in_projects_below_tmp_do_not_interfere(tmp_path: Path) -> None:
    """Both pages make the same directory in /tmp and listen on the same port."""
    runs = []
    for name in ("one", "other"):
        project = tmp_path / name
        (project / "scripts").mkdir(parents=True)
        (project / "docs").mkdir()
        shutil.copy(SCRIPT, project / "scripts/run-docs")
        (project / "README.md").write_text(PAGE)
        runs.append(
            subprocess.Popen(
                [sys.executable, str(project / "scripts/run-docs")], stdout=subprocess.PIPE, text=True
            )
        )
    for run in runs:
        output, _ = run.communicate(timeout=60)
        assert (run.returncode, output.splitlines()[-1]) == (0, "docs: 2 passed, 0 failed"), output
    assert not Path("/tmp/namewise-test-run-docs").exists()
