"""What the documents say is true: links, commands, tables, docstrings; and no trace of a machine.

A Markdown table that stands under `<!-- settings: dotted.path.ToSettings -->` must equal what the
class itself says; when it does not, the failure prints the table to paste.
"""

import ast
import importlib
import re
import shlex
import subprocess
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
    text = re.sub(r"[`*]|\b_|_\b|\[([^]]*)\]\([^)]*\)", r"\1", heading.strip().lower())
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
        value = defaults[name]
        text = str(value).lower() if isinstance(value, bool) else str(value)
        default = f"`{text}`" if text else "empty"
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


def code_references() -> list[tuple[str, str, str]]:
    """(document, file, name) of each `room/file.py`: `Name` in the documents."""
    found = []
    for path in MARKDOWN:
        pattern = r"`(\w+/\w+\.py)`: ((?:`[\w.]+`(?:, )?)+)"
        for file, names in re.findall(pattern, path.read_text(encoding="utf-8")):
            found += [(relative(path), file, name) for name in re.findall(r"`([\w.]+)`", names)]
    return found


def test_names_in_the_documents_exist_in_the_code():
    references = code_references()
    assert references, "the documents name no code"
    missing = []
    for document, file, name in references:
        path = REPO / PACKAGE / file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        last = name.rpartition(".")[2]
        if not re.search(rf"(?:def|class) {last}\b", text):
            missing.append(f"{document}: {file} has no {name}")
    assert missing == []


def test_topics_named_in_the_readme_are_those_of_the_code():
    code = (REPO / PACKAGE / "nodes" / "interface.py").read_text(encoding="utf-8")
    topics = set(re.findall(r'^[A-Z_]+: Final = "([^"]+)"', code, re.M))
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    table = re.search(r"<!-- topics -->\n+((?:\|.*\n)+)", readme)
    assert table, "README.md has no table of topics"
    assert set(re.findall(r"^\| `([^`]+)` \|", table.group(1), re.M)) == topics


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


def help_of(subcommand: str, capsys) -> str:
    """What `asynfusion SUBCOMMAND --help` prints; raises SystemExit(2) where there is none."""
    from asynfusion_ros.cli import main

    words = [*subcommand.split(), "--help"]
    with pytest.raises(SystemExit) as end:
        main(words)
    printed = capsys.readouterr()
    assert end.value.code == 0, printed.err
    return printed.out


def test_subcommands_and_options_named_in_the_documents_exist(capsys):
    calls = ours("asynfusion")
    assert calls, "the documents name no asynfusion command"
    wrong = []
    for path, words in calls:
        subcommand = words[0] if words and not words[0].startswith("-") else ""
        shown = help_of(subcommand, capsys)
        if len(words) > 1 and re.search(rf"^ +{re.escape(words[1])}  ", shown, re.M):
            shown = help_of(f"{subcommand} {words[1]}", capsys)  # a task of a command
        for option in (word.split("=")[0] for word in words if word.startswith("--")):
            if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", shown):
                wrong.append(f"{path}: asynfusion {subcommand} has no option {option}")
    assert wrong == []


def test_launch_arguments_named_in_the_documents_exist():
    from asynfusion_ros.graph import GraphArguments

    calls = ours("ros2 launch asynfusion_ros")
    assert calls, "the documents name no launch file"
    known = [name for name, _ in GraphArguments.describe()]
    for path, words in calls:
        assert (REPO / "launch" / words[0]).is_file(), path
        assert {word.partition(":=")[0] for word in words[1:]} <= set(known), path


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


def test_every_style_is_explained():
    from asynfusion_ros.motion.manner import STYLE_NAMES

    table = (REPO / "docs" / "style.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == list(STYLE_NAMES)
