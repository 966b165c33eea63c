"""Anthropic's messages, over connections that are shared."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import anthropic
from langchain_anthropic import ChatAnthropic
from pydantic import PrivateAttr


class Messages(ChatAnthropic):
    """Anthropic's messages; :meth:`dial` says what they are sent through."""

    _pool: Any = PrivateAttr(default=None)
    _timeout: Any = PrivateAttr(default=None)

    def dial(self, pool: Any, timeout: Any) -> None:
        """Send everything through ``pool``."""
        self._pool, self._timeout = pool, timeout

    @cached_property
    def _async_client(self) -> anthropic.AsyncAnthropic:
        client = anthropic.AsyncAnthropic(
            **{**self._client_params, "http_client": self._pool, "timeout": self._timeout, "max_retries": 0}
        )
        # The library would add what ANTHROPIC_AUTH_TOKEN holds to the key it was given, whatever the address.
        client.auth_token = None
        return client
