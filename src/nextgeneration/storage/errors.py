"""What can go wrong with the database, named."""

from __future__ import annotations

from nextgeneration.kernel.errors import NGError
from nextgeneration.kernel.language import Texts


class StorageError(NGError):
    """Base of the storage room's errors. They stop a mission, which can be resumed; no agent may handle them."""

    control = True


class StorageUnsupported(StorageError, ValueError):
    """The database URL names a kind of database this version cannot use."""

    code = "NG-STORAGE-001"
    what = Texts(
        "{scheme} databases are not supported yet", "Les bases de données {scheme} ne sont pas encore prises en charge"
    )
    mend = Texts(
        "Set NG_DATABASE_URL to sqlite:///path/to/file.db, or unset it.",
        "Définissez NG_DATABASE_URL avec sqlite:///chemin/vers/fichier.db, ou retirez-la.",
    )


class StorageUnsafe(StorageError):
    """The database file lies where somebody else could change it."""

    code = "NG-STORAGE-002"
    what = Texts("The database at {path} is not private: {detail}", "La base {path} n'est pas privée : {detail}")
    mend = Texts(
        "Use a folder of your own that only you can write: chmod 700, or set NG_HOME.",
        "Utilisez un dossier à vous, que vous seul pouvez écrire : chmod 700, ou définissez NG_HOME.",
    )


class StorageUnopened(StorageError):
    """The database could not be opened at all."""

    code = "NG-STORAGE-003"
    what = Texts("The database at {path} cannot be opened: {detail}", "La base {path} ne peut être ouverte : {detail}")
    mend = Texts(
        "Check that the folder exists, can be written and has room.",
        "Vérifiez que le dossier existe, qu'il est accessible en écriture et qu'il reste de la place.",
    )


class SchemaNewer(StorageError):
    """The database was written by a newer version of the program."""

    code = "NG-STORAGE-004"
    what = Texts(
        "The database has schema {found}, this program knows up to {known}",
        "La base a le schéma {found}, ce programme connaît jusqu'à {known}",
    )
    mend = Texts(
        "Run the newer version again; nothing was changed.",
        "Relancez la version plus récente ; rien n'a été modifié.",
    )


class WriteFailed(StorageError):
    """A transaction could not be put on disk. Nothing of it was kept."""

    code = "NG-STORAGE-005"
    what = Texts("The database did not take a write: {detail}", "La base n'a pas accepté une écriture : {detail}")
    mend = Texts(
        "Check the disk; what was not acknowledged is done again when the mission is resumed.",
        "Vérifiez le disque ; ce qui n'a pas été confirmé sera refait à la reprise de la mission.",
    )
    retryable = True


class StorageFull(StorageError):
    """There is no room left for a write. Nothing of it was kept."""

    code = "NG-STORAGE-006"
    what = Texts("No room is left on the disk of the database", "Il n'y a plus de place sur le disque de la base")
    mend = Texts("Free some space, then resume the mission.", "Libérez de l'espace, puis reprenez la mission.")
    retryable = True


class StorageBusy(StorageError):
    """Another process kept the database locked for too long."""

    code = "NG-STORAGE-007"
    what = Texts(
        "Another process kept the database locked for {seconds} s",
        "Un autre processus a verrouillé la base pendant {seconds} s",
    )
    mend = Texts("Try again; if it stays so, see who holds the file.", "Réessayez ; sinon, voyez qui tient le fichier.")
    retryable = True


class StorageDamaged(StorageError):
    """The database file itself is broken."""

    code = "NG-STORAGE-008"
    what = Texts("The database file is damaged: {detail}", "Le fichier de la base est endommagé : {detail}")
    mend = Texts(
        "Keep a copy of it, then restore a backup or recover it with `sqlite3 FILE .recover`.",
        "Gardez-en une copie, puis restaurez une sauvegarde ou récupérez-le avec `sqlite3 FICHIER .recover`.",
    )


class RecordDamaged(StorageError):
    """One record does not have the bytes that were written."""

    code = "NG-STORAGE-009"
    what = Texts(
        "Record {id} of table {table} is damaged: {detail}",
        "L'entrée {id} de la table {table} est endommagée : {detail}",
    )
    mend = Texts(
        "Nothing was done with it; other missions are not touched. Restore it from a backup.",
        "Rien n'en a été fait ; les autres missions ne sont pas touchées. Restaurez-la depuis une sauvegarde.",
    )


class StorageClosed(StorageError):
    """A write or read after the database was closed, or after its writer died."""

    code = "NG-STORAGE-010"
    what = Texts("The database is closed", "La base est fermée")
    mend = Texts("Open it again.", "Ouvrez-la de nouveau.")


class NotStorable(StorageError, ValueError):
    """A value is not plain JSON."""

    control = False
    code = "NG-STORAGE-011"
    what = Texts(
        "This value cannot be stored as JSON: {detail}", "Cette valeur ne peut être stockée en JSON : {detail}"
    )
    mend = Texts(
        "Use strings, finite numbers, booleans, null, lists and objects.",
        "Utilisez des textes, des nombres finis, des booléens, null, des listes et des objets.",
    )
