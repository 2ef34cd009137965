"""Metrics of the exporter: name, unit and meaning of each."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

PORTFOLIO = "portfolio"
"""Label of every metric: ``name`` of the configuration."""


@dataclass(frozen=True)
class PalmMetric:
    """A metric: its name with the unit, its help text, and a label in addition to the portfolio; empty for none."""

    name: str
    meaning: str
    label: str = ""
    counter: bool = False

    def family(self, portfolio: str = "", value: "float | Mapping[str, float] | None" = None) -> Metric:
        """The metric with its value, or a value for each value of the label; None for one without samples."""
        kind = CounterMetricFamily if self.counter else GaugeMetricFamily
        family = kind(self.name, self.meaning, labels=[PORTFOLIO, *([self.label] if self.label else [])])
        if value is None:
            return family
        for key, number in value.items() if isinstance(value, Mapping) else [("", value)]:
            family.add_metric([portfolio, *([key] if self.label else [])], float(number))
        return family


Figures = dict[PalmMetric, float | dict[str, float]]
"""Metrics to their values; unknown ones are absent."""

LAST_CHECK = PalmMetric(
    "palm_last_check_timestamp_seconds",
    "End of the last run, whether it built or only looked for changes, and whatever its outcome.",
)
LAST_REBUILD = PalmMetric(
    "palm_last_rebuild_timestamp_seconds", "End of the last finished build, promoted or refused by the gate."
)
LAST_FAILED = PalmMetric("palm_last_failed_run_timestamp_seconds", "End of the last failed run.")
FAILED_IN_A_ROW = PalmMetric("palm_failed_runs_in_a_row", "Consecutive failed runs up to now.")
REFUSED_IN_A_ROW = PalmMetric("palm_refused_rebuilds_in_a_row", "Consecutive builds that the gate refused up to now.")
LAST_BUILD_POLICIES = PalmMetric(
    "palm_last_build_policies",
    "Policies of the last run that had something to build, by state: trained_anew (from the base model), continued "
    "(from an earlier policy), reused, failed, not_started.",
    label="became",
)
LAST_BUILD_MARKED = PalmMetric(
    "palm_last_build_marked_policies", "Policies that a guard marked in the last run that had something to build."
)
LAST_BUILD_SECONDS = PalmMetric(
    "palm_last_build_device_seconds",
    "Seconds of training of the last run that had something to build, summed over all GPUs or processors.",
)
LAST_BUILD_SAVED = PalmMetric(
    "palm_last_build_saved_device_seconds", "Device-seconds of training that this run saved by reusing policies."
)
USUAL_SECONDS = PalmMetric(
    "palm_usual_rebuild_device_seconds",
    "Median device-seconds of the finished rebuilds before the last run that had something to build, at most 20; "
    "absent below 5.",
)
SPENT_TOTAL = PalmMetric(
    "palm_rebuild_device_seconds_total",
    "Device-seconds of training of all finished builds whose outcome is in the storage.",
    counter=True,
)
SAVED_TOTAL = PalmMetric(
    "palm_rebuild_saved_device_seconds_total", "Device-seconds that these builds saved by reuse.", counter=True
)
RUNS = PalmMetric(
    "palm_runs",
    "Runs whose outcome is in the storage, by outcome: promoted, refused, failed, unchanged; `palm gc` removes old "
    "failed and unchanged ones.",
    label="outcome",
)
DAMAGED = PalmMetric("palm_damaged_records", "Invalid records of runs in the storage.")

CHAMPION_VERSION = PalmMetric("palm_champion_version", "Number of the registered version that is champion.")
CHAMPION_SINCE = PalmMetric("palm_champion_since_timestamp_seconds", "Time since which this version is champion.")
CHAMPION_GAP = PalmMetric("palm_champion_gap_ratio", "Certified worst-case gap ε of the champion, 0 to 1.")
CHAMPION_BOUND = PalmMetric(
    "palm_champion_gap_bound_ratio", "Upper bound of the champion's ε at the gate's confidence, which the gate uses."
)
CHAMPION_POLICIES = PalmMetric("palm_champion_policies", "Policies in the champion's portfolio.")
REFUSED_VERSIONS = PalmMetric("palm_refused_versions", "Registered versions that the gate has refused.")
LOG_PROBLEMS = PalmMetric(
    "palm_promotion_log_problems",
    "Problems of the promotion log and its alias that `palm history` lists, except those that `palm repair` has noted.",
)

GAP_LIMIT = PalmMetric("palm_gap_limit_ratio", "promotion.max_epsilon of the exporter's configuration.")
STORAGE_UP = PalmMetric("palm_storage_up", "Whether the storage could be read; if 0, its metrics are absent.")
MLFLOW_UP = PalmMetric("palm_mlflow_up", "Whether MLflow could be read; if 0, its metrics are absent.")
READING_SECONDS = PalmMetric(
    "palm_reading_duration_seconds", "Duration of the last reading, by source: storage, mlflow.", label="source"
)

METRICS = tuple(value for value in list(vars().values()) if isinstance(value, PalmMetric))
