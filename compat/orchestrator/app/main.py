"""Re-exports: see ``nextgeneration.server``."""

from nextgeneration.server.app import app

__all__ = ["app"]
