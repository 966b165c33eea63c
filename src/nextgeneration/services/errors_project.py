"""What can go wrong when a project's folder is prepared."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class ProjectLinked(NGError, ValueError):
    """A part of ``.nextgen`` is a symbolic link, so that writing there would change something else."""

    code = "NG-SERVICE-003"
    what = Texts("{path} is a link, nothing was written", "{path} est un lien, rien n'a été écrit")
    mend = Texts("Remove the link, then try again.", "Retirez le lien, puis réessayez.")
