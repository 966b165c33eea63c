"""NextGeneration: a self-hosted agent factory and orchestrator."""

__version__ = "0.1.0"
