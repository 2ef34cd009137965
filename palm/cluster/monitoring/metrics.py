"""Every metric that the exporter has: its name, its unit and what it means."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

PORTFOLIO = "portfolio"
"""Label of every metric: ``name`` of the configuration."""


@dataclass(frozen=True)
class PalmMetric:
    """A metric.

    Attributes:
        name: its name in Prometheus, with the unit.
        meaning: help text.
        label: name of a label beside the portfolio; empty for none.
        counter: whether it only grows.
    """

    name: str
    meaning: str
    label: str = ""
    counter: bool = False

    def family(self, portfolio: str = "", value: "float | Mapping[str, float] | None" = None) -> Metric:
        """What Prometheus is given.

        Args:
            portfolio: name of the portfolio.
            value: the number, or one for each value of the label; None for a family without samples.

        Returns:
            The family.
        """
        kind = CounterMetricFamily if self.counter else GaugeMetricFamily
        family = kind(self.name, self.meaning, labels=[PORTFOLIO, *([self.label] if self.label else [])])
        if value is None:
            return family
        for key, number in value.items() if isinstance(value, Mapping) else [("", value)]:
            family.add_metric([portfolio, *([key] if self.label else [])], float(number))
        return family


Figures = dict[PalmMetric, float | dict[str, float]]
"""Metrics to their numbers; what is not known is not in it."""

LAST_CHECK = PalmMetric(
    "palm_last_check_timestamp_seconds",
    "When the last run ended that looked for changes or built, whatever came of it.",
)
LAST_REBUILD = PalmMetric(
    "palm_last_rebuild_timestamp_seconds", "When the last build came to its end, promoted or refused by the gate."
)
LAST_FAILED = PalmMetric("palm_last_failed_run_timestamp_seconds", "When the last failed run ended.")
FAILED_IN_A_ROW = PalmMetric("palm_failed_runs_in_a_row", "Failed runs since the last one that did not fail.")
REFUSED_IN_A_ROW = PalmMetric(
    "palm_refused_rebuilds_in_a_row", "Builds that the gate has refused since the last one that it promoted."
)
LAST_BUILD_POLICIES = PalmMetric(
    "palm_last_build_policies",
    "Policies of the last run that had something to build, by what became of them: trained_anew, continued (trained "
    "from an earlier policy), reused, failed, not_started.",
    label="became",
)
LAST_BUILD_MARKED = PalmMetric(
    "palm_last_build_marked_policies", "Policies whose training a guard has marked in the last run that had to build."
)
LAST_BUILD_SECONDS = PalmMetric(
    "palm_last_build_device_seconds",
    "Seconds of training of the last run that had something to build, all GPUs or processors together.",
)
LAST_BUILD_SAVED = PalmMetric(
    "palm_last_build_saved_device_seconds", "Device-seconds that the policies had taken which that run reused."
)
USUAL_SECONDS = PalmMetric(
    "palm_usual_rebuild_device_seconds",
    "Median device-seconds of the finished rebuilds before the last run that had something to build, at most 20; "
    "absent below 5.",
)
SPENT_TOTAL = PalmMetric(
    "palm_rebuild_device_seconds_total",
    "Device-seconds of training of all builds that came to their end and whose outcome the storage keeps.",
    counter=True,
)
SAVED_TOTAL = PalmMetric(
    "palm_rebuild_saved_device_seconds_total", "Device-seconds that these builds saved by reuse.", counter=True
)
RUNS = PalmMetric(
    "palm_runs",
    "Runs whose outcome the storage keeps, by outcome: promoted, refused, failed, unchanged; `palm gc` removes old "
    "failed and unchanged ones.",
    label="outcome",
)
DAMAGED = PalmMetric("palm_damaged_records", "Records of runs in the storage that cannot be understood.")

CHAMPION_VERSION = PalmMetric("palm_champion_version", "Number of the registered version that is champion.")
CHAMPION_SINCE = PalmMetric("palm_champion_since_timestamp_seconds", "Since when this version is champion.")
CHAMPION_GAP = PalmMetric("palm_champion_gap_ratio", "Certified worst-case gap ε of the champion, 0 to 1.")
CHAMPION_BOUND = PalmMetric(
    "palm_champion_gap_bound_ratio", "Upper bound of the champion's ε at the gate's confidence: what the gate judged."
)
CHAMPION_POLICIES = PalmMetric("palm_champion_policies", "Policies in the champion's portfolio.")
REFUSED_VERSIONS = PalmMetric("palm_refused_versions", "Registered versions that the gate has refused.")
LOG_PROBLEMS = PalmMetric(
    "palm_promotion_log_problems",
    "Problems of the promotion log and its alias that `palm history` tells, without what `palm repair` has noted.",
)

GAP_LIMIT = PalmMetric("palm_gap_limit_ratio", "promotion.max_epsilon of the exporter's configuration.")
STORAGE_UP = PalmMetric("palm_storage_up", "Whether the storage could be read; if 0, what is read from it is absent.")
MLFLOW_UP = PalmMetric("palm_mlflow_up", "Whether MLflow could be read; if 0, what is read from it is absent.")
READING_SECONDS = PalmMetric(
    "palm_reading_duration_seconds", "How long the last reading took, by source: storage, mlflow.", label="source"
)

STORAGE_METRICS = (
    LAST_CHECK,
    LAST_REBUILD,
    LAST_FAILED,
    FAILED_IN_A_ROW,
    REFUSED_IN_A_ROW,
    LAST_BUILD_POLICIES,
    LAST_BUILD_MARKED,
    LAST_BUILD_SECONDS,
    LAST_BUILD_SAVED,
    USUAL_SECONDS,
    SPENT_TOTAL,
    SAVED_TOTAL,
    RUNS,
    DAMAGED,
)
MLFLOW_METRICS = (
    CHAMPION_VERSION,
    CHAMPION_SINCE,
    CHAMPION_GAP,
    CHAMPION_BOUND,
    CHAMPION_POLICIES,
    REFUSED_VERSIONS,
    LOG_PROBLEMS,
)
METRICS = (*STORAGE_METRICS, *MLFLOW_METRICS, GAP_LIMIT, STORAGE_UP, MLFLOW_UP, READING_SECONDS)
