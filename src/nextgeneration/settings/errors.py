"""What can be wrong with a setting."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class SettingInvalid(NGError, ValueError):
    """A setting has a value that it cannot have. The value is not shown: it could be a secret."""

    code = "NG-SETTINGS-001"
    exit_code = 2
    what = Texts("The setting {names} cannot be used: {detail}", "Le réglage {names} est inutilisable : {detail}")
    mend = Texts(
        "Correct or unset the environment variable; docs/reference/settings.md lists them all.",
        "Corrigez ou retirez la variable d'environnement ; docs/reference/settings.md les liste toutes.",
    )
