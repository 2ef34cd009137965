"""The stand-in with a cluster behind it: KFP's local runner runs every run, in a process of its own."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from support.kfp_stand_in import KfpStandIn

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, sys
from kfp import local
from palm.pipelines.compile import PIPELINES
from palm.config.cluster import Cluster
name, parameters, folder = sys.argv[1:]
local.init(local.SubprocessRunner(use_venv=False), pipeline_root=folder)
PIPELINES[name](Cluster(tasks={"retries": 0}))(**json.loads(parameters))
"""


class ExecutingStandIn(KfpStandIn):
    """The server; `environment` has the variables of pods that this process does not have."""

    def __init__(self, document: Path, folder: Path, environment: dict[str, str]):
        super().__init__(document)
        self._folder, self._environment, self._threads = folder, environment, []

    def __exit__(self, *error):
        for thread in self._threads:
            thread.join()
        super().__exit__(*error)

    def RunService_CreateRun(self, given):
        made = super().RunService_CreateRun(given)
        thread = threading.Thread(target=self._execute, args=[made["run_id"]])
        self._threads.append(thread)
        thread.start()
        return made

    def RunService_DeleteRun(self, given):
        del self.runs[given["run_id"]]
        return {}

    def ExperimentService_DeleteExperiment(self, given):
        del self.experiments[given["experiment_id"]]
        return {}

    def _execute(self, run_id: str) -> None:
        run = self.runs[run_id]
        run["state"] = "RUNNING"
        version = self.versions[run["pipeline_version_reference"]["pipeline_version_id"]]
        name = version["pipeline_spec"]["pipelineInfo"]["name"].replace("-", "_")
        parameters = json.dumps(run["runtime_config"]["parameters"])
        own = {"PALM_BUILD_ID": run_id, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, name, parameters, str(self._folder / run_id)],
            env={**os.environ, **own, **self._environment},
            capture_output=True,
            text=True,
        )
        (self._folder / f"{run_id}.log").write_text(done.stdout + done.stderr)
        state = "FAILED" if done.returncode else "SUCCEEDED"
        self.end_run(run_id, state, seconds=time.monotonic() - start)
