"""Re-exports: see ``nextgeneration.supervisor``."""

from nextgeneration.supervisor.integration import FactoryIntegratedSupervisor, factory_supervisor

__all__ = ["FactoryIntegratedSupervisor", "factory_supervisor"]
