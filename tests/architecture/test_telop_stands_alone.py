"""The telop application runs wherever its environment says: on Jubako and, unchanged, on Cloud Run."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPLICATION = ROOT / "src/jubako_apps/telop"
HOWTO = (ROOT / "docs/howto/telop-on-cloud-run.md").read_text("utf-8")


def test_no_module_of_the_application_imports_the_platform() -> None:
    imports = re.compile(r"^\s*(?:import|from) jubako(?:\.| |$)", re.MULTILINE)
    assert [path.name for path in APPLICATION.rglob("*.py") if imports.search(path.read_text("utf-8"))] == []


def test_no_module_of_the_application_speaks_of_this_servers_addresses() -> None:
    texts = {
        path.name: path.read_text("utf-8")
        for path in APPLICATION.rglob("*")
        if path.suffix in {".py", ".yaml"}
    }
    assert [name for name, text in texts.items() if re.search(r"jubako/v1|/run/local|:8123", text)] == []


def test_the_howto_deploys_what_there_is() -> None:
    for module in re.findall(r"jubako_apps(?:\.\w+)+", HOWTO):
        assert (ROOT / "src" / (module.replace(".", "/") + ".py")).is_file(), module
    for path in re.findall(r"(?:src|examples)/[\w./-]+", HOWTO):
        assert (ROOT / path).is_file(), path
    settings = (APPLICATION / "settings.py").read_text("utf-8") + (APPLICATION / "service.py").read_text(
        "utf-8"
    )
    for variable in set(re.findall(r"\b(TELOP_[A-Z_]+|OUTPUT_URI|GOOGLE_CLOUD_[A-Z]+)=", HOWTO)):
        assert variable in settings, variable
    workflow = (APPLICATION / "workflow.yaml").read_text("utf-8")
    for task in ("ocr", "speech", "report"):
        assert f"telop-{task}" in workflow


def test_the_container_installs_the_extra_of_the_application() -> None:
    container = (ROOT / "examples/telop/Containerfile").read_text("utf-8")
    assert ".[telop]" in container
    assert all((ROOT / name).exists() for name in ("pyproject.toml", "README.md", "LICENSE", "src"))
