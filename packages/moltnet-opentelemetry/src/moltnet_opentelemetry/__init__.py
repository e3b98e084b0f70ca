"""Spans and metrics of stores, for OpenTelemetry: ``open_store(…, plugins=[Telemetry()])``."""

from moltnet_opentelemetry.telemetry import Telemetry

__all__ = ["Telemetry"]
