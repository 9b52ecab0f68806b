"""What the documents say is true: links, commands, tables, docstrings; and no trace of a machine.

A Markdown table that stands under `<!-- settings: dotted.path.ToSettings -->` must equal what the
class itself says; when it does not, the failure prints the table to paste.
"""

import ast
import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = "asynfusion_ros"
REPO = Path(__file__).resolve().parent.parent
MARKDOWN = sorted(
    p for p in [*REPO.glob("*.md"), *REPO.glob("docs/**/*.md"), *REPO.glob("models/**/*.md")]
)
MODULES = sorted((REPO / PACKAGE).rglob("*.py"))
LONGEST_MODULE_LINES = 300

# Built from pieces, so that this file does not find itself.
MACHINE_TRACES = (
    r"(?<![\w.}])/(?:work|root|farm)/",
    r"/home/[a-z]",
    r"/opt/" + "asyn",
    "pypi" + r"\.org",
    "pythonhosted" + r"\.org",
    "download" + r"\.pytorch\.org",
    "registry" + r"\.npmjs",
    "deb" + r"\.debian\.org",
)


def relative(path: Path) -> str:
    return str(path.relative_to(REPO))


def slug(heading: str) -> str:
    """The anchor that a Markdown heading gets on code-hosting pages."""
    text = re.sub(r"[`*_]|\[([^]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors_of(path: Path) -> set[str]:
    return {slug(h) for h in re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)}


# ---- Markdown -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", MARKDOWN, ids=relative)
def test_links_lead_somewhere(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.S)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
    broken = []
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        goal = (path.parent / name) if name else path
        if not goal.exists() or (
            anchor and goal.suffix == ".md" and anchor not in anchors_of(goal)
        ):
            broken.append(target)
    assert broken == []


def settings_tables() -> list[tuple[Path, str, str]]:
    """(file, dotted class path, table text) of each table that declares where it comes from."""
    found = []
    for path in MARKDOWN:
        pattern = r"<!-- settings: ([\w.]+) -->\n+((?:\|.*\n)+)"
        for name, table in re.findall(pattern, path.read_text(encoding="utf-8") + "\n"):
            found.append((path, name, table))
    return found


def render_settings(cls) -> str:
    """The Markdown table of a Settings class: name, default, unit, range, meaning."""
    defaults = cls().to_dict()
    lines = ["| parameter | default | unit | range | meaning |", "|---|---|---|---|---|"]
    for name, info in cls.describe():
        low, high = info.minimum, info.maximum
        if info.choices is not None:
            allowed = ", ".join(f"`{choice}`" for choice in info.choices)
        elif low is not None and high is not None:
            allowed = f"{low:g} to {high:g}"
        elif low is not None:
            allowed = f"at least {low:g}"
        else:
            allowed = "" if high is None else f"at most {high:g}"
        default = f"`{defaults[name]}`" if defaults[name] != "" else "empty"
        doc = info.doc.replace("|", "\\|")
        lines.append(f"| `{name}` | {default} | {info.unit} | {allowed} | {doc} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("path", "name", "table"),
    settings_tables(),
    ids=[f"{relative(path)}:{name}" for path, name, _ in settings_tables()],
)
def test_settings_tables_equal_the_code(path, name, table):
    module, _, cls = name.rpartition(".")
    expected = render_settings(getattr(importlib.import_module(module), cls))
    assert table == expected, f"{relative(path)} is out of date; paste:\n\n{expected}"


# ---- commands -----------------------------------------------------------------------------------


def shell_commands() -> list[tuple[str, str]]:
    """(file, command) of each line in a shell block of the documents, continuations joined."""
    found = []
    for path in MARKDOWN:
        blocks = re.findall(r"```(?:bash|sh|console)\n(.*?)```", path.read_text("utf-8"), re.S)
        for block in blocks:
            for line in block.replace("\\\n", " ").splitlines():
                command = line.split(" #")[0].strip().removeprefix("$ ")
                if command and not command.startswith("#"):
                    found.append((relative(path), command))
    return found


def ours(name: str) -> list[tuple[str, list[str]]]:
    """(file, words after `name`) of each documented call of the program `name`."""
    calls = []
    for path, command in shell_commands():
        words = shlex.split(command)
        while words and re.fullmatch(r"\w+=.*", words[0]):
            words.pop(0)
        if words[: len(name.split())] == name.split():
            calls.append((path, words[len(name.split()) :]))
    return calls


def test_scripts_named_in_the_documents_exist():
    calls = ours("bash")
    assert calls, "the documents name no script"
    assert [words[0] for _, words in calls if not (REPO / words[0]).is_file()] == []


def test_subcommands_and_options_named_in_the_documents_exist():
    calls = ours("asynfusion")
    assert calls, "the documents name no asynfusion command"
    help_of = {}
    wrong = []
    for path, words in calls:
        subcommand = words[0] if words and not words[0].startswith("-") else ""
        if subcommand not in help_of:
            run = [
                sys.executable,
                "-m",
                f"{PACKAGE}.cli",
                *([subcommand] if subcommand else []),
                "--help",
            ]
            help_of[subcommand] = subprocess.run(
                run, capture_output=True, text=True, cwd=REPO, timeout=120, check=False
            )
        shown = help_of[subcommand]
        if shown.returncode != 0:
            wrong.append(f"{path}: asynfusion {subcommand}: {shown.stderr[-300:]}")
            continue
        for option in (word.split("=")[0] for word in words if word.startswith("--")):
            if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", shown.stdout):
                wrong.append(f"{path}: asynfusion {subcommand} has no option {option}")
    assert wrong == []


# ---- the code's own words -----------------------------------------------------------------------


def public_names_without_docstring(tree: ast.Module) -> list[str]:
    """Public functions and classes of a module, and public methods of its public classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = [] if ast.get_docstring(tree) or not tree.body else ["the module"]
    scopes = [("", tree)]
    while scopes:
        prefix, scope = scopes.pop()
        for node in scope.body:
            if not isinstance(node, kinds) or node.name.startswith("_"):
                continue
            decorators = {getattr(d, "attr", getattr(d, "id", "")) for d in node.decorator_list}
            if ast.get_docstring(node) is None and not decorators & {
                "overload",
                "setter",
                "override",
            }:
                found.append(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                scopes.append((f"{prefix}{node.name}.", node))
    return found


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_public_names_have_docstrings(path):
    assert public_names_without_docstring(ast.parse(path.read_text(encoding="utf-8"))) == []


def test_a_missing_docstring_is_seen():
    source = (
        '"""m"""\nclass A:\n    """a"""\n    def f(self): ...\n    def _g(self): ...\ndef h(): ...'
    )
    assert sorted(public_names_without_docstring(ast.parse(source))) == ["A.f", "h"]


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_modules_stay_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE_LINES


# ---- no trace of a machine ----------------------------------------------------------------------


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return [REPO / name for name in listed.stdout.split("\0") if name and (REPO / name).is_file()]


def test_no_file_names_a_machine_or_a_package_host():
    pattern = re.compile("|".join(MACHINE_TRACES))
    found = []
    for path in tracked_files():
        data = path.read_bytes()
        if b"\0" in data[:8192]:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if match := pattern.search(line):
                found.append(f"{relative(path)}:{number}: {match.group()}")
    assert found == []
