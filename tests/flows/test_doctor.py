"""`doctor`: what is here, what is missing, and how to get it."""

from __future__ import annotations

import importlib.metadata
import json

from tests.conftest import run_cli


def test_a_machine_that_can_compile_is_well(tmp_path):
    done = run_cli("doctor", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    findings = {finding["name"]: finding for finding in report["findings"]}
    assert (done.returncode, report["version"]) == (0, 1)
    assert findings["torch"]["found"] == importlib.metadata.version("torch")
    assert all(finding["ok"] for finding in findings.values() if finding["needed"])
    assert all(finding["ok"] or finding["advice"] for finding in findings.values())


def test_what_people_read_has_a_line_for_each_finding(tmp_path):
    lines = run_cli("doctor", cwd=tmp_path).stdout.splitlines()
    assert len(lines) == len(json.loads(run_cli("doctor", "--json", cwd=tmp_path).stdout)["findings"])
    assert [line.split()[0] for line in lines if line.split()[1] == "g++"] == ["ok"]


def test_what_is_missing_is_named_with_how_to_get_it(tmp_path):
    done = run_cli("doctor", cwd=tmp_path, env={"PATH": str(tmp_path)})
    assert done.returncode == 5
    [line] = [line for line in done.stdout.splitlines() if line.split()[:2] == ["MISSING", "g++"]]
    assert "apt install g++" in line
    assert "Traceback" not in done.stderr


def test_it_leaves_the_folder_as_it_is(tmp_path):
    run_cli("doctor", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_broken_workspace_file_is_one_finding_among_the_others(tmp_path):
    (tmp_path / "neuronbuild.yaml").write_text("isa: foo\n")
    done = run_cli("doctor", "--json", cwd=tmp_path)
    findings = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert not findings["workspace"]["ok"]
    assert "unknown isa 'foo'" in findings["workspace"]["found"]
    assert (findings["platform cpu"]["ok"], done.returncode) == (True, 0)
