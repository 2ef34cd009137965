"""Exporter of a portfolio's metrics to Prometheus."""

import threading
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from palm.cluster.monitoring import metrics
from palm.cluster.monitoring.champion_figures import ChampionReader
from palm.cluster.monitoring.run_figures import RunFigures
from palm.cluster.monitoring.source import Source
from palm.config.portfolio import PortfolioConfig
from palm.errors import MonitoringError


class Exporter(Collector):
    """All metrics of one portfolio; arguments as for `serve`."""

    def __init__(self, config: PortfolioConfig, *, interval: float, limit: float):
        self._config = config
        self._sources = {
            metrics.STORAGE_UP: Source("storage", RunFigures(config).read, interval=interval, limit=limit),
            metrics.MLFLOW_UP: Source("MLflow", ChampionReader(config).read, interval=interval, limit=limit),
        }

    def start(self) -> None:
        """Start to read, and wait for the first readings, no longer than the limit."""
        for source in self._sources.values():
            source.start()
        for source in self._sources.values():
            source.wait()

    def stop(self) -> None:
        """Start no other reading."""
        for source in self._sources.values():
            source.stop()

    def describe(self) -> Iterator[Metric]:
        """All metrics, without samples."""
        return (metric.family() for metric in metrics.METRICS)

    def collect(self) -> Iterator[Metric]:
        """All metrics that are known now."""
        figures: metrics.Figures = {metrics.GAP_LIMIT: self._config.promotion.max_epsilon}
        seconds = {}
        for (up, source), name in zip(self._sources.items(), ("storage", "mlflow"), strict=True):
            found = source.figures
            figures |= {up: float(found is not None), **(found or {})}
            if source.seconds is not None:
                seconds[name] = source.seconds
        figures[metrics.READING_SECONDS] = seconds
        return (metric.family(self._config.name, value) for metric, value in figures.items())


def serve(
    config: PortfolioConfig,
    *,
    port: int,
    interval: float,
    limit: float,
    stop: threading.Event,
    ready: Callable[[int], None],
) -> None:
    """Serve the metrics over HTTP until stopped.

    Args:
        port: TCP port; 0: a free one.
        interval: seconds between readings of a source.
        limit: seconds that a reading may take until its source counts as down.
        stop: ends it when set.
        ready: called with the port once the metrics can be scraped.
    """
    exporter, registry = Exporter(config, interval=interval, limit=limit), CollectorRegistry()
    registry.register(exporter)
    exporter.start()
    try:
        server, _ = start_http_server(port, registry=registry)
    except OSError as error:
        raise MonitoringError(
            f"port={port}", rule=f"cannot be opened ({error})", remedy="give another --port"
        ) from error
    try:
        ready(server.server_port)
        stop.wait()
    finally:
        server.shutdown()
        server.server_close()
        exporter.stop()
