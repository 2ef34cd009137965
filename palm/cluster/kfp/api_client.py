"""`kfp.Client` with a first request that fails soon and clearly."""

import json

import kfp
import kfp_server_api

from palm.errors import ClusterError

_TIMEOUT = (5, 10)
"""Seconds to connect and to answer."""


class ApiClient(kfp.Client):
    """A client that asks for the server's health once; kfp's own asks five times, five seconds apart, and logs each."""

    health: dict | None = None

    def get_kfp_healthz(self, sleep_duration: int = 0) -> kfp_server_api.V2beta1GetHealthzResponse:
        """Ask the server for its health."""
        response = self.healthzs.healthz_service_get_healthz(_preload_content=False, _request_timeout=_TIMEOUT)
        # kfp would accept a log-in page as an answer in which nothing is set.
        self.health = self._json_object(response)
        return kfp_server_api.V2beta1GetHealthzResponse(
            multi_user=self.health.get("multi_user"), pipeline_store=self.health.get("pipeline_store")
        )

    def version(self) -> str | None:
        """Version of the API server; None if unknown. Only the older health check has it."""
        try:
            response = self._healthz_api.api_client.call_api(
                "/apis/v1beta1/healthz",
                "GET",
                auth_settings=["Bearer"],
                _preload_content=False,
                _request_timeout=_TIMEOUT,
            )
            return self._json_object(response).get("tag_name")
        except (kfp_server_api.ApiException, ClusterError):
            return None

    @property
    def host(self) -> str:
        """Address of the API."""
        return self._existing_config.host

    def _json_object(self, response) -> dict:
        try:
            answer = json.loads(response.data)
            if isinstance(answer, dict):
                return answer
        except ValueError:
            pass
        kind = response.headers.get("Content-Type", "something").partition(";")[0]
        raise ClusterError(
            f"host={self.host}",
            rule=f"answers with {kind} instead of JSON, such as a log-in page",
            remedy="give the address of the API, which often ends in /pipeline, and credentials that have not expired",
        )
