from pathlib import Path

import pytest
import trimtab


def test_the_examples_pass(examples: Path) -> None:
    file = examples / "hpa_test.yaml"
    tests = trimtab.find_tests(file)
    assert [test.number for test in tests] == list(range(1, len(tests) + 1))
    assert tests[0].name == "a queue that lasts is answered, a blip is not"
    assert file.read_text().splitlines()[tests[0].line - 1].endswith(tests[0].name)
    report = trimtab.run_tests(file)
    assert report.passed
    assert [result.test for result in report] == tests
    assert all(result.decisions > 0 for result in report)
    assert str(report) == f"results: {len(tests)} passed, 0 failed"


def test_only_some(examples: Path) -> None:
    tests = trimtab.find_tests(examples / "hpa_test.yaml", examples / "keda_test.yaml")
    chosen = [tests[1], tests[-1]]
    report = trimtab.run_tests(tests=chosen)
    assert [result.test for result in report] == chosen
    with pytest.raises(TypeError, match="not both"):
        trimtab.run_tests("x", tests=chosen)


def test_folders_are_looked_through(examples: Path) -> None:
    files = {Path(test.file).name for test in trimtab.find_tests(examples)}
    assert {"hpa_test.yaml", "slo_test.yaml"} <= files


def test_a_failure_has_its_place(examples: Path, tmp_path: Path) -> None:
    (tmp_path / "hpa.yaml").write_text((examples / "hpa.yaml").read_text())
    file = tmp_path / "hpa_test.yaml"
    file.write_text(
        "policy: hpa.yaml\ninterval: 15s\ntests:\n- name: wrong\n  input_series:\n"
        "  - {series: inference_requests_waiting, values: '24x9'}\n"
        "  - {series: inference_kv_cache_usage_ratio/replica, values: '0.5x9'}\n"
        "  expect:\n  - {at: 1m, replicas: 2}\n"
    )
    report = trimtab.run_tests(tmp_path)
    assert not report
    (failure,) = report.results[0].failures
    assert (failure.code, failure.line, failure.at) == ("T001", 9, "1m")
    assert failure.explanation is not None
    assert "expected 2" in failure.message
    assert f"{file}:9" in str(failure)


def test_a_backtest_is_run_or_skipped(examples: Path, tmp_path: Path) -> None:
    policy = (examples / "hpa-concurrency.yaml").read_text()
    (tmp_path / "hpa.yaml").write_text(policy)
    file = tmp_path / "hpa_test.yaml"
    file.write_text(
        "policy: hpa.yaml\ntests:\n- name: it serves\n  backtest: {scenario: steady, "
        "rate_scale: 0.1, duration: 10m, attainment: {min: 0.1}}\n"
    )
    tests = trimtab.find_tests(file)
    assert tests[0].has_backtest
    assert trimtab.run_tests(file).passed
    skipped = trimtab.run_tests(file, backtests=False)
    assert (skipped.passed, skipped.results[0].skipped_backtests) == (True, 1)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "x_test.yaml"
    file.write_text("policy: nowhere.yaml\ntests: []\n")
    with pytest.raises(trimtab.ManifestError) as refused:
        trimtab.find_tests(file)
    assert refused.value.file == str(file)
    with pytest.raises(FileNotFoundError):
        trimtab.run_tests(tmp_path / "no_test.yaml")
