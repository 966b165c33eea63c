"""What crosses this room's border: the form of a template's file and the values of a resolved one."""

from __future__ import annotations

from nextgeneration.templates.form import SCHEMA_ID, TemplateFile, json_schema
from nextgeneration.templates.revision import Budget, Capability, Hooks, ModelWishes, Revision, Route, Step

__all__ = [
    "SCHEMA_ID",
    "Budget",
    "Capability",
    "Hooks",
    "ModelWishes",
    "Revision",
    "Route",
    "Step",
    "TemplateFile",
    "json_schema",
]
