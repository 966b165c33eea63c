"""What can be wrong with what a process tells about itself."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class TracesMissing(NGError, ImportError):
    """Traces are switched on, and what sends them is not installed."""

    code = "NG-OBSERVABILITY-001"
    what = Texts(
        "Traces are switched on (NG_TRACES), and {package} is not installed",
        "Les traces sont activées (NG_TRACES) et {package} n'est pas installé",
    )
    mend = Texts(
        "Install it: pip install 'nextgeneration[otel]'; or unset NG_TRACES.",
        "Installez-le : pip install 'nextgeneration[otel]' ; ou retirez NG_TRACES.",
    )
    exit_code = 2
