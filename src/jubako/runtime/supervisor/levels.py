"""How surely trees can be ended here: the best of what this machine and the settings allow."""

from jubako.runtime.supervisor.cgroup import Cgroups
from jubako.runtime.supervisor.enclosed import Means
from jubako.runtime.supervisor.namespace_trees import NamespaceTrees
from jubako.runtime.supervisor.trees import CgroupTrees, GroupTrees, SubreaperTrees, Trees, become_subreaper

LEVELS = (CgroupTrees.level, NamespaceTrees.level, SubreaperTrees.level, GroupTrees.level)
"""The best first."""
_AS_USER = "in the namespaces of this user programs cannot become another user (sudo)"


def best(mark: str, level_max: str, means: Means) -> Trees:
    """Return the surest way to end trees that there is here, by these ``means``, and not above ``level_max``."""
    if level_max == GroupTrees.level or not become_subreaper():
        return GroupTrees()
    missing = ""
    if level_max == CgroupTrees.level:
        try:
            return CgroupTrees(Cgroups.find(mark))
        except OSError as error:
            missing = f"no control group can be made here: {error.strerror or error}"
    if level_max != SubreaperTrees.level:
        if not means.pids_missing:
            return NamespaceTrees(_also(missing, _AS_USER if means.as_user else ""))
        missing = _also(missing, f"no PID namespace can be made here: {means.pids_missing}")
    return SubreaperTrees(missing=missing)


def _also(first: str, second: str) -> str:
    return "; ".join(text for text in (first, second) if text)
