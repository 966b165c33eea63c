"""The names that spans carry: those of OpenTelemetry's conventions for generative AI, and our own.

The conventions are still called "in development"; when they change, only this module does.
"""

from __future__ import annotations

from typing import Final

# -- the conventions': https://opentelemetry.io/docs/specs/semconv/gen-ai/ ---------------------------------------------

OPERATION: Final = "gen_ai.operation.name"
PROVIDER: Final = "gen_ai.provider.name"
SYSTEM: Final = "gen_ai.system"
"""What ``gen_ai.provider.name`` was called before; many backends still group by it."""
REQUEST_MODEL: Final = "gen_ai.request.model"
RESPONSE_MODEL: Final = "gen_ai.response.model"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
CACHED_TOKENS: Final = "gen_ai.usage.cache_read.input_tokens"
WRITTEN_TOKENS: Final = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS: Final = "gen_ai.usage.reasoning.output_tokens"
AGENT_NAME: Final = "gen_ai.agent.name"
TOOL_NAME: Final = "gen_ai.tool.name"
ERROR_TYPE: Final = "error.type"

CHAT: Final = "chat"
INVOKE_AGENT: Final = "invoke_agent"
EXECUTE_TOOL: Final = "execute_tool"

PROVIDERS: Final = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "xai": "x_ai",
}
"""The conventions' names of providers where ours differ."""

# -- our own -----------------------------------------------------------------------------------------------------------

MISSION: Final = "nextgeneration.mission.id"
MISSION_STATUS: Final = "nextgeneration.mission.status"
ATTEMPTS: Final = "nextgeneration.mission.attempts"
TASK: Final = "nextgeneration.task.id"
TASK_STATUS: Final = "nextgeneration.task.status"
TEMPLATE: Final = "nextgeneration.template.name"
FINDINGS: Final = "nextgeneration.findings"
ACTIONS: Final = "nextgeneration.actions"
POSITION: Final = "nextgeneration.effect.position"
LABEL: Final = "nextgeneration.effect.label"
RULE: Final = "nextgeneration.effect.rule"
STATUS: Final = "nextgeneration.effect.status"
TRIES: Final = "nextgeneration.effect.tries"
APPROVAL: Final = "nextgeneration.approval.id"
APPROVAL_KIND: Final = "nextgeneration.approval.kind"
VERDICT: Final = "nextgeneration.approval.verdict"
CREDITS: Final = "nextgeneration.credits"
"""In micro-credits, as in the books."""
HELD: Final = "nextgeneration.credits.held"
BILLED: Final = "nextgeneration.credits.billed"
"""What a try that failed may have been billed: ``none``, ``known`` or ``unknown``."""
TOOL_CALLS: Final = "nextgeneration.tool_calls"
MODEL_CALLS: Final = "nextgeneration.model_calls"
MODEL: Final = "nextgeneration.model"
