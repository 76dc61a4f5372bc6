"""The project's own files: workflows, hooks, dependencies and lock agree with each other."""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import pipeline

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
RELEASE_NOTES = ROOT / ".ci" / "release_notes.py"

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
EXTRAS = PROJECT["optional-dependencies"]
GROUPS = PYPROJECT["dependency-groups"]
LOCK = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
OURSELVES = next(p for p in LOCK["package"] if p["name"] == PROJECT["name"])


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def jobs_of(workflow: Path) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = read_yaml(workflow)["jobs"]
    return jobs


def steps() -> Iterator[dict[str, Any]]:
    """Every step of the workflows and of the action that users call."""
    for workflow in WORKFLOWS:
        for job in jobs_of(workflow).values():
            yield from job.get("steps", ())
    yield from read_yaml(ROOT / "action.yml")["runs"]["steps"]


class Need(NamedTuple):
    """A requirement, in a form that can be compared."""

    name: str
    extras: frozenset[str]
    versions: SpecifierSet
    conditions: frozenset[str]


def need(requirement: str, extra: str | None = None) -> Need:
    """A requirement of pyproject.toml, and the extra that it belongs to."""
    read = Requirement(requirement)
    conditions = conditions_of(str(read.marker or ""))
    if extra is not None:
        conditions |= conditions_of(f"extra == '{extra}'")
    return Need(
        canonicalize_name(read.name),
        frozenset(read.extras),
        read.specifier,
        conditions,
    )


def locked_need(entry: dict[str, Any]) -> Need:
    """A requirement as the lock file remembers it."""
    return Need(
        entry["name"],
        frozenset(entry.get("extras", ())),
        SpecifierSet(entry.get("specifier", "")),
        conditions_of(entry.get("marker", "")),
    )


def conditions_of(marker: str) -> frozenset[str]:
    assert " or " not in marker, "conditions are compared one by one"
    return frozenset(str(Marker(one)) for one in marker.split(" and ") if one)


def pinned_versions(requirements: list[str]) -> dict[str, str]:
    """Name and version of what is pinned with ``==``."""
    read = [Requirement(one) for one in requirements]
    return {
        one.name: str(one.specifier).removeprefix("==")
        for one in read
        if str(one.specifier).startswith("==")
    }


# --- workflows ----------------------------------------------------------------


def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it():
    files = [*WORKFLOWS, ROOT / "action.yml"]
    text = "\n".join(path.read_text("utf-8") for path in files)
    used = {step["uses"] for step in steps() if "uses" in step}

    pinned = re.findall(
        r"uses: ([\w.-]+(?:/[\w.-]+)+@[0-9a-f]{40}) # (v\d+\.\d+\.\d+)$",
        text,
        re.MULTILINE,
    )

    assert len(used) > 5
    assert used == {action for action, _ in pinned}
    assert len(text.split("uses: ")) - 1 == len(pinned) + 1  # ci.yml is our own
    assert len(set(pinned)) == len({action.split("@")[0] for action, _ in pinned})


def test_no_script_of_a_workflow_has_an_expression_in_it():
    scripts = [step["run"] for step in steps() if "run" in step]

    assert len(scripts) > 5
    assert [script for script in scripts if "${{" in script] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_job_has_a_time_limit_and_names_its_permissions(workflow):
    jobs = jobs_of(workflow)

    assert read_yaml(workflow)["permissions"] == {}
    assert {name for name, job in jobs.items() if "permissions" not in job} == set()
    ours = {name for name, job in jobs.items() if "steps" in job}
    assert {name for name in ours if "timeout-minutes" not in jobs[name]} == set()


def test_no_checkout_leaves_its_token_behind():
    checkouts = [
        s for s in steps() if s.get("uses", "").startswith("actions/checkout@")
    ]

    assert checkouts
    assert {step["with"]["persist-credentials"] for step in checkouts} == {False}


def test_only_the_jobs_that_publish_may_write_and_each_a_single_thing():
    granted = {
        f"{workflow.stem}.{name}": {
            scope for scope, level in job["permissions"].items() if level == "write"
        }
        for workflow in WORKFLOWS
        for name, job in jobs_of(workflow).items()
    }

    assert {name: scopes for name, scopes in granted.items() if scopes} == {
        "docs.publish": {"id-token", "pages"},
        "release.attest": {"id-token", "attestations"},
        "release.publish": {"id-token"},
        "release.github-release": {"contents"},
    }


def test_a_release_is_published_without_a_token_after_all_checks():
    jobs = jobs_of(GITHUB / "workflows" / "release.yml")

    assert jobs["publish"]["environment"] == "pypi"
    assert jobs["publish"]["needs"] == ["attest"]
    assert jobs["attest"]["needs"] == ["ci", "build"]
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yml"
    texts = [workflow.read_text("utf-8") for workflow in WORKFLOWS]
    assert [text for text in texts if "secrets." in text] == []


def test_the_matrix_tests_every_python_that_the_package_names():
    jobs = jobs_of(GITHUB / "workflows" / "ci.yml")
    matrix = jobs["tests"]["strategy"]["matrix"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))

    assert matrix["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert {name.split("-")[0] for name in matrix["os"]} == {
        "ubuntu",
        "macos",
        "windows",
    }


def test_every_python_runs_the_test_command_of_the_readme():
    (script,) = [
        step["run"]
        for step in jobs_of(GITHUB / "workflows" / "ci.yml")["tests"]["steps"]
        if "run" in step
    ]

    assert f"```sh\n{script}\n```" in (ROOT / "README.md").read_text("utf-8")


def test_updates_come_weekly_and_grouped_for_all_that_is_pinned():
    updates = read_yaml(GITHUB / "dependabot.yml")["updates"]

    kinds = {update["package-ecosystem"] for update in updates}
    assert kinds == {"uv", "github-actions", "docker"}
    assert {update["schedule"]["interval"] for update in updates} == {"weekly"}
    assert {len(update["groups"]) for update in updates} == {1}


# --- workflows to copy -----------------------------------------------------------


def examples(page: str) -> list[dict[str, Any]]:
    """The YAML files that a how-to page shows, in the order of the page."""
    text = (ROOT / "docs" / "how-to" / page).read_text("utf-8")
    blocks = re.findall(r"^```yml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [yaml.safe_load(block) for block in blocks]


COPIED = [one for one in examples("github.md") if "jobs" in one]


@pytest.mark.parametrize("workflow", COPIED, ids=lambda workflow: workflow["name"])
def test_a_workflow_to_copy_is_as_safe_as_our_own(workflow):
    triggers = workflow[True]  # YAML reads the key `on` as true
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    used = {step["uses"] for step in steps if "uses" in step}
    page = (ROOT / "docs" / "how-to" / "github.md").read_text("utf-8")
    ours = {"scenario-pipeline/scenario-pipeline@main"}

    assert "pull_request_target" not in triggers
    assert workflow["permissions"] == {}
    assert all(job["permissions"] for job in workflow["jobs"].values())
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []
    for action in used - ours:
        assert re.search(rf"uses: {action} # v\d+\.\d+\.\d+$", page, re.MULTILINE)
        assert any(
            f"uses: {action} #" in file.read_text("utf-8") for file in WORKFLOWS
        ), f"{action} is not what our own workflows use"
    for step in steps:
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
        if step.get("uses") in ours:
            action = read_yaml(ROOT / "action.yml")
            assert set(step["with"]) <= set(action["inputs"])


def test_a_run_that_pays_waits_for_the_one_before():
    (generate,) = (one for one in COPIED if "generate" in one["jobs"])
    (gitlab,) = examples("gitlab.md")

    assert generate["concurrency"]["cancel-in-progress"] is False
    assert gitlab["assets"]["resource_group"]
    assert gitlab["assets"]["interruptible"] is False
    assert gitlab["assets"]["artifacts"]["reports"]["junit"].endswith(".xml")


def copied_scripts() -> Iterator[str]:
    for workflow in COPIED:
        for job in workflow["jobs"].values():
            yield from (step["run"] for step in job["steps"] if "run" in step)
    for job in examples("gitlab.md")[0].values():
        for part in ("before_script", "script", "after_script"):
            yield from job.get(part, ())


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_every_script_to_copy_is_a_script():
    scripts = list(copied_scripts())

    assert len(scripts) > 10
    for script in scripts:
        done = subprocess.run(
            ["bash", "-n", "-c", script], capture_output=True, check=False, timeout=60
        )
        assert (done.returncode, done.stderr) == (0, b""), script


# --- checks -------------------------------------------------------------------


def test_the_hooks_use_the_versions_of_the_development_environment():
    (repository,) = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    pinned = pinned_versions(EXTRAS["dev"])

    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        tool = hook["entry"].split()[0]
        if hook["language"] == "system":  # what is installed is what is pinned
            assert tool in pinned, hook
        else:
            assert tool in pinned_versions(hook["additional_dependencies"]), hook


@pytest.mark.parametrize(
    "check", ["ruff format --check .", "ruff check .", "mypy", "codespell"]
)
def test_every_check_is_made_by_ci(check):
    tool, *arguments = check.split()
    line = " ".join([f'"$scratch/dev/bin/{tool}"', *arguments])

    assert f"\n{line}\n" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_ci_builds_the_site_as_it_is_published():
    line = '"$scratch/dev/bin/python" .ci/docs.py'
    scripts = [
        step["run"]
        for step in jobs_of(GITHUB / "workflows" / "docs.yml")["build"]["steps"]
        if "run" in step
    ]

    assert f"\n{line}\n" in (ROOT / ".ci" / "run").read_text("utf-8")
    assert "python .ci/docs.py" in "\n".join(scripts)


def test_ci_measures_branches_and_has_a_least_figure():
    coverage = PYPROJECT["tool"]["coverage"]
    run = (ROOT / ".ci" / "run").read_text("utf-8")

    assert coverage["run"]["branch"] is True
    assert coverage["run"]["source_pkgs"] == ["pipeline"]
    assert coverage["report"]["fail_under"] >= 90
    assert re.search(r'^PYTEST_ADDOPTS="--cov[ "].* readme ', run, re.MULTILINE)


# --- dependencies -------------------------------------------------------------


@pytest.mark.parametrize("name", ["dev", "docs"])
def test_a_group_with_the_name_of_an_extra_is_that_extra(name):
    assert GROUPS[name] == EXTRAS[name]


def test_the_lock_file_was_made_from_these_requirements():
    asked = {need(one) for one in PROJECT["dependencies"]}
    asked |= {need(one, extra) for extra, names in EXTRAS.items() for one in names}
    metadata = OURSELVES["metadata"]

    assert {locked_need(entry) for entry in metadata["requires-dist"]} == asked
    assert metadata["provides-extras"] == sorted(EXTRAS)
    assert LOCK["requires-python"] == PROJECT["requires-python"]
    assert {
        group: {locked_need(entry) for entry in entries}
        for group, entries in metadata["requires-dev"].items()
    } == {group: {need(one) for one in names} for group, names in GROUPS.items()}


def test_the_lock_file_holds_a_version_of_everything_that_is_required():
    locked: dict[str, set[str]] = {}
    for package in LOCK["package"]:
        locked.setdefault(package["name"], set()).add(package.get("version", ""))
    required = [PROJECT["dependencies"], *EXTRAS.values(), *GROUPS.values()]

    for one in {need(text) for texts in required for text in texts}:
        assert any(one.versions.contains(version) for version in locked[one.name]), one


def test_the_lock_file_names_the_public_index_alone_with_hashes():
    others = [package for package in LOCK["package"] if package is not OURSELVES]

    assert OURSELVES["source"] == {"editable": "."}
    assert {tuple(package["source"].items()) for package in others} == {
        (("registry", "https://pypi.org/simple"),)
    }
    files = [
        file
        for package in others
        for file in (*package.get("wheels", ()), package.get("sdist"))
        if file is not None
    ]
    assert len(files) > len(others)
    assert [file for file in files if not file["hash"].startswith("sha256:")] == []


# --- release and issues -------------------------------------------------------


def release_notes(tag: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, RELEASE_NOTES, tag],
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )


def test_the_notes_of_a_release_are_its_section_of_the_changelog():
    version = pipeline.__version__
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")

    done = release_notes(f"v{version}")

    assert (done.returncode, done.stderr) == (0, "")
    after = changelog.partition(f"\n## [{version}] - ")[2].partition("\n")[2]
    assert (
        done.stdout.strip() == re.split(r"^## ", after, flags=re.MULTILINE)[0].strip()
    )
    assert done.stdout.strip()


@pytest.mark.parametrize("tag", ["v99.0.0", pipeline.__version__, "v", ""])
def test_a_tag_that_is_not_the_version_makes_no_release(tag):
    done = release_notes(tag)

    assert done.returncode == 1
    assert done.stdout == ""
    assert f"pipeline/version.py says {pipeline.__version__}" in done.stderr


def test_links_of_the_project_lead_to_one_repository():
    urls = PROJECT["urls"]
    config = read_yaml(GITHUB / "ISSUE_TEMPLATE" / "config.yml")
    links = [*urls.values(), *(link["url"] for link in config["contact_links"])]

    assert {"Repository", "Documentation", "Changelog", "Issues"} == set(urls)
    assert [link for link in links if not link.startswith(urls["Repository"])] == []
    files = [
        link.split("/main/")[1]
        for link in links
        if re.search("/(blob|tree)/main/", link)
    ]
    assert len(files) > 1
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_a_bug_report_asks_for_what_is_needed_and_warns_of_secrets():
    text = (GITHUB / "ISSUE_TEMPLATE" / "bug.yml").read_text("utf-8")
    form = yaml.safe_load(text)
    required = {
        part["id"]
        for part in form["body"]
        if part.get("validations", {}).get("required")
    }

    assert {"version", "doctor", "manifest"} <= required
    assert "`pipeline --version`" in text
    assert "`pipeline doctor" in text
    assert "Never paste an API key, a secret, or a signed URL" in text
