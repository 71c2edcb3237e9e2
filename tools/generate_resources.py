"""Write the message classes and method tables of our boxes from the installed official packages.

Run ``python tools/generate_resources.py`` after upgrading google-cloud-run or google-cloud-workflows, then read the
diff. The output is committed; tests/conformance/test_schema_drift.py fails when it no longer agrees with the packages.
Only names, numbers, types and paths are taken over.
"""

import subprocess
import sys
from pathlib import Path

from official_packages import official_messages
from resource_methods import METHOD_FILES, write_methods
from resource_types import Module, write_types

ROOT = Path(__file__).parent.parent / "src"


def modules() -> list[Module]:
    """Decide which message goes into which file; a file may use those listed before it."""
    found = official_messages()
    general = set(found.all)
    jobs = found.reach("google.cloud.run.v2", ("jobs", "executions", "tasks"))
    services = found.reach("google.cloud.run.v2", ("services", "revisions"))
    workflows = found.reach("google.cloud.workflows.v1", ("workflows",), extra=("OperationMetadata",))
    workflows |= found.reach("google.cloud.workflows.executions.v1", ("executions",))
    logging = found.reach("google.logging.v2", ("logging_service_v2",))
    general |= {name for name in found.all if not name.startswith(("google.cloud.", "google.logging."))}
    shared = (jobs & services) - general
    plan = (
        ("wire.google_types", "Messages that all Google APIs share.", general),
        ("wire.run_types", "Run v2 messages that more than one box uses.", shared),
        ("boxes.jobs.resources", "Run v2: jobs, executions, tasks.", jobs - general - shared),
        ("boxes.services.resources", "Run v2: services and revisions.", services - general - shared),
        ("boxes.workflows.resources", "Workflows v1 and Workflow Executions v1.", workflows - general),
        ("wire.logging_types", "Cloud Logging v2: entries.", logging - general),
    )
    return [
        Module(f"jubako.{name}", about, {full: found.all[full] for full in names})
        for name, about, names in plan
    ]


def main() -> None:
    """Write all files and format them."""
    paths = []
    placed = modules()
    for module in placed:
        paths.append(module.path(ROOT))
        paths[-1].write_text(write_types(module, placed))
    for file in METHOD_FILES:
        paths.append(ROOT.joinpath(*file.module.split(".")).with_suffix(".py"))
        paths[-1].write_text(write_methods(file, placed))
    ruff = [sys.executable, "-m", "ruff"]
    subprocess.run([*ruff, "check", "-q", "--fix-only", "--select", "I,F401", *paths], check=True)
    subprocess.run([*ruff, "format", "-q", *paths], check=True)


if __name__ == "__main__":
    main()
