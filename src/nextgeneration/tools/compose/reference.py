"""The reference of the rules as Markdown, generated from the rules themselves."""

from __future__ import annotations

import re
from itertools import groupby

from nextgeneration.kernel.language import Lang, Texts
from nextgeneration.tools.compose.catalogue import RULES
from nextgeneration.tools.compose.rule import Rule

_HEAD = """# Rules of `compose.audit`

Generated from the rules by `python -m nextgeneration.tools.compose.reference`; do not edit.

{count} rules of our own on Docker Compose files. Each finding has the line, the reason, and the excerpt it rests
on, in which secrets are masked. Rules marked *patch* come with an edit where it is safe; the edits of one file are
offered as one patch, which was audited before it is shown: what it claims to fix is gone, and nothing new is found.

`nextgen tools show compose.audit` shows the arguments; `only` takes rule ids and severities.
"""


class _Blank(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return f"`{name}`"


def _said(text: Texts, lang: Lang) -> str:
    """A rule's text with its fields shown as names; the fields of hints are left out."""
    bare = re.sub(r"\{(?:hint|indice|sample|modele)\}", "", text.say(lang))
    return bare.format_map(_Blank())


def markdown() -> str:
    """The whole reference page."""
    parts = [_HEAD.format(count=len(RULES))]
    for topic, rules in groupby(RULES, key=lambda rule: rule.topic):
        parts.append(f"## {topic.en}\n")
        parts += [_section(rule) for rule in rules]
    return "\n".join(parts)


def _section(rule: Rule) -> str:
    marks = [rule.severity.value, f"confidence {rule.confidence:g}"] + (["patch"] if rule.fixable else [])
    beside = "".join(f"\nBeside it lies `{name}`.\n" for name in rule.beside)
    return (
        f"### {rule.id.removeprefix('compose.')}\n\n"
        f"`{rule.id}` · {' · '.join(marks)}\n\n"
        f"**{_said(rule.title, 'en')}.** {_said(rule.why, 'en')} *{_said(rule.fix, 'en')}*\n\n"
        f"En français : **{_said(rule.title, 'fr')}.** {_said(rule.why, 'fr')} *{_said(rule.fix, 'fr')}*\n\n"
        f"Found at line {rule.line} of:\n\n```yaml\n{rule.bad}```\n\nNot in:\n\n```yaml\n{rule.good}```\n{beside}"
    )


if __name__ == "__main__":
    import sys

    sys.stdout.write(markdown())
