"""``jubako build`` and ``--source``: what a source is, how it is started, and what is kept of it."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from jubako.cli.building import sources
from jubako.cli.building.build import build
from jubako.cli.building.entry_points import Texts, entry_point
from jubako.cli.errors import CliError
from jubako.runtime.bundles import Bundles

SCRIPTS = '[project]\nname = "shop"\n[project.scripts]\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    root.mkdir()
    (root / "main.py").write_text("print('hi')\n")
    return root


@pytest.fixture
def bundles(tmp_path: Path) -> Bundles:
    return Bundles(tmp_path / "bundles")


@pytest.mark.parametrize(
    ("texts", "command"),
    [
        (Texts(["main.py"]), ["python", "main.py"]),
        (Texts(["app.py"]), ["python", "app.py"]),
        (Texts(["app.py", "main.py"]), ["python", "main.py"]),
        (Texts(["main.py"], "worker: run it\nweb: serve $PORT\n"), ["/bin/sh", "-c", "exec serve $PORT"]),
        (
            Texts([], "# nothing\n\njob:  python -m ocr --all\n"),
            ["/bin/sh", "-c", "exec python -m ocr --all"],
        ),
        (Texts(["main.py"], "", SCRIPTS + 'ocr = "ocr:main"'), ["ocr"]),
        (Texts([], "", SCRIPTS + 'other = "a:b"\nshop = "a:c"'), ["shop"]),
        (Texts([], "", SCRIPTS + 'other = "a:b"\nstart = "a:c"'), ["start"]),
        (Texts(["main.py"], "web: x", SCRIPTS + 'ocr = "ocr:main"'), ["/bin/sh", "-c", "exec x"]),
        (Texts(["main.py"], "", '[project]\nname = "shop"'), ["python", "main.py"]),
        (Texts(["main.py"], "", "[tool.ruff]\nline-length = 3"), ["python", "main.py"]),
    ],
)
def test_a_source_says_how_it_is_started(texts: Texts, command: list[str]) -> None:
    assert entry_point(texts) == command


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (Texts(["readme.md"]), "does not say how"),
        (Texts([], "web python main.py"), "Procfile"),
        (Texts([], "# nothing"), "names no process"),
        (Texts([], "", SCRIPTS + 'a = "a:b"\nb = "a:c"'), "several scripts: a, b"),
        (Texts(["main.py"], "", "[project"), "pyproject.toml"),
    ],
)
def test_a_source_that_does_not_say_it_is_refused(texts: Texts, says: str) -> None:
    with pytest.raises(CliError, match=says):
        entry_point(texts)


def test_what_is_no_source_is_left_out(source: Path) -> None:
    for name in (".git/config", "__pycache__/main.pyc", "node_modules/x/y.js", "notes.log", "deep/kept.txt"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("x")
    (source / ".gcloudignore").write_text("# mine\n*.log\n")
    assert [str(file) for file in sources.files_of(source)] == [".gcloudignore", "deep/kept.txt", "main.py"]
    (source / ".gcloudignore").write_text("!notes.log\n")
    with pytest.raises(CliError, match="not supported"):
        sources.files_of(source)


def test_a_digest_is_of_names_content_links_and_what_can_be_executed(source: Path) -> None:
    def digest() -> str:
        return sources.digest_of(source, sources.files_of(source), "")

    seen = [digest()]
    for change in (
        lambda: (source / "main.py").write_text("print('ho')\n"),
        lambda: (source / "main.py").chmod(0o755),
        lambda: (source / "main.py").rename(source / "app.py"),
        lambda: (source / "link").symlink_to("app.py"),
    ):
        change()
        seen.append(digest())
    assert len(set(seen)) == 5
    os.utime(source / "app.py", (1, 1))
    assert digest() == seen[-1]


def test_a_source_is_built_once_and_its_name_moves_on_while_what_was_built_stays(
    source: Path, bundles: Bundles
) -> None:
    first, is_new = build(source, bundles)
    assert is_new
    assert first.command == (sys.executable, "main.py")
    assert (first.directory / "main.py").read_text() == "print('hi')\n"
    assert build(source, bundles) == (first, False)
    bundles.name("hello", first.digest)
    pinned = bundles.pinned("hello:latest")
    assert pinned == f"hello:latest@{first.digest}"
    (source / "main.py").write_text("print('ho')\n")
    second, is_new = build(source, bundles)
    assert is_new
    bundles.name("hello", second.digest)
    assert bundles.find("hello") == second
    assert bundles.find(pinned) == first


def test_a_build_that_died_is_thrown_away(source: Path, bundles: Bundles) -> None:
    built, _ = build(source, bundles)
    (bundles.place(built.digest) / "bundle.json").unlink()
    (built.directory / "left.txt").write_text("half")
    assert bundles.get(built.digest) is None
    again, is_new = build(source, bundles)
    assert (again.digest, is_new) == (built.digest, True)
    assert not (built.directory / "left.txt").exists()


def test_a_command_of_the_caller_goes_before_the_sources(source: Path, bundles: Bundles) -> None:
    built, _ = build(source, bundles, ["python", "-c", "pass"])
    assert built.command == (sys.executable, "-c", "pass")
    assert built.digest != build(source, bundles)[0].digest


@pytest.mark.parametrize(
    ("name", "can_be"),
    [
        ("hello", True),
        ("hello:v1.2", True),
        ("gcr.io/project/hello:v1", True),
        ("localhost:5000/hello", True),
        ("Hello", False),
        ("", False),
        ("a b", False),
        ("../../etc/passwd", False),
        ("hello:", False),
        ("hello@sha256:00", False),
        ("x" * 200, False),
    ],
)
def test_names_are_those_of_images(bundles: Bundles, name: str, can_be: bool) -> None:
    assert bundles.can_be_called(name) is can_be
    assert bundles.find(name) is None


@pytest.mark.parametrize("image", ["hello@sha256:00", "hello@../../x", "@", "hello@sha256:" + "0" * 64])
def test_a_digest_that_was_not_built_is_no_bundle(bundles: Bundles, image: str) -> None:
    assert bundles.pinned(image) is None


def test_requirements_are_installed_by_uv_where_it_is_there(
    source: Path, bundles: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "requirements.txt").write_text("tiny\n")
    said, uv = tmp_path / "said", tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text(
        f'#!/bin/sh\necho "$@" >> {said}\nif [ "$1" = venv ]; then mkdir -p "$5/bin"; touch "$5/bin/python"; fi\n'
    )
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:{os.environ['PATH']}")
    built, _ = build(source, bundles)
    assert built.venv is not None
    assert said.read_text().splitlines() == [
        f"venv --quiet --python {sys.executable} {built.venv}",
        f"pip install --quiet --python {built.venv}/bin/python -r requirements.txt",
    ]
    assert built.command == (f"{built.venv}/bin/python", "main.py")
    assert built.variables("/bin") == {"PATH": f"{built.venv}/bin:/bin", "VIRTUAL_ENV": str(built.venv)}


def test_what_pip_says_is_told_and_nothing_stays_of_a_failed_build(
    source: Path, bundles: Bundles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source / "requirements.txt").write_text("tiny\n")
    uv = tmp_path / "bin" / "uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\necho no tiny found >&2\nexit 1\n")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{uv.parent}:{os.environ['PATH']}")
    with pytest.raises(CliError, match="no tiny found"):
        build(source, bundles)
    assert [path.name for path in bundles.root.iterdir()] == ["lock"]
    shutil.rmtree(bundles.root)
