"""The command in this process: arguments, exit codes, an interrupt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest
import trimtab

MODULE = [sys.executable, "-m", "trimtab"]


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MODULE, *arguments], input=stdin, capture_output=True, text=True)


def test_it_is_the_command(examples: Path) -> None:
    version = run("--version")
    assert (version.returncode, version.stdout) == (0, f"trimtab {trimtab.__version__}\n")
    assert "Usage: trimtab" in run("--help").stdout
    script = Path(sysconfig.get_path("scripts")) / "trimtab"
    if script.exists():
        done = subprocess.run([script, "--version"], capture_output=True, text=True)
        assert done.stdout == version.stdout
    lint = run("lint", "-", stdin=(examples / "policy.yaml").read_text())
    assert lint.returncode == 0


def test_exit_codes(examples: Path, tmp_path: Path) -> None:
    assert run("nothing").returncode == 2
    assert run("decide", "--policy", "nowhere").returncode == 2
    assert run("test", str(examples / "hpa_test.yaml")).returncode == 0
    wrong = tmp_path / "hpa_test.yaml"
    (tmp_path / "hpa.yaml").write_text((examples / "hpa.yaml").read_text())
    text = (examples / "hpa_test.yaml").read_text()
    wrong.write_text(text.replace("at: 3m15s, replicas: 6", "at: 3m15s, replicas: 7"))
    failed = run("test", str(wrong))
    assert failed.returncode == 1
    assert "expected 7" in failed.stdout


def test_a_reader_that_goes_away() -> None:
    with subprocess.Popen(
        [*MODULE, "completions", "bash"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        # Notes the interrupt, cleans up and says so.
        (("backtest", "--scenario", "weekly", "--rate-scale", "100"), 130),
        # Waits for a line that never comes, and is ended by the system.
        (("lint", "-"), -signal.SIGINT),
    ],
)
def test_an_interrupt(arguments: tuple[str, ...], code: int) -> None:
    with subprocess.Popen(
        [*MODULE, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == code
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_other_code_may_follow(tmp_path: Path) -> None:
    code = "import trimtab._core as c; print(c._main(['trimtab', 'nothing'])); print('after')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "2\nafter\n"
