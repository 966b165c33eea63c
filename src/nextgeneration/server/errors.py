"""What the HTTP interface refuses by itself."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class RequestRefused(NGError, ValueError):
    """The body or a parameter of a request is not what the endpoint takes."""

    code = "NG-SERVER-001"
    what = Texts("This request cannot be read: {detail}", "Cette requête est illisible : {detail}")
    mend = Texts("`/docs` shows what each endpoint takes.", "`/docs` montre ce que chaque point d'accès attend.")


class BodyTooLarge(NGError):
    """A request's body is larger than the limit; it was not read."""

    code = "NG-SERVER-002"
    what = Texts("The body is larger than {limit} bytes", "Le corps dépasse {limit} octets")
    mend = Texts("Send less at once.", "Envoyez-en moins à la fois.")


class LocalOnly(NGError, PermissionError):
    """An administrative endpoint was called from elsewhere."""

    code = "NG-SERVER-003"
    exit_code = 5
    what = Texts("Only this machine may call {path}", "Seule cette machine peut appeler {path}")
    mend = Texts(
        "Call it on the server itself, at 127.0.0.1, and not from a web page.",
        "Appelez-le sur le serveur lui-même, à 127.0.0.1, et pas depuis une page web.",
    )
