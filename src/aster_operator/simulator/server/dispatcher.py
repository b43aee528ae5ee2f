"""From a raw request to a raw response, in one synchronous call and without any transport."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import structlog

from aster_operator.simulator.model import VenueRefusal
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.auth import Authenticator, Identity, Security
from aster_operator.simulator.server.messages import WireRequest, WireResponse, json_response
from aster_operator.simulator.server.openapi import describe, docs_response
from aster_operator.simulator.server.params import Params, read_params
from aster_operator.simulator.server.routing import Call, Endpoint, Services

__all__ = ["Dispatcher"]

_PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Max-Age": "3600",
}

log = structlog.get_logger(__name__)


class Dispatcher:
    """The whole REST side. What a request causes has been published when `dispatch` returns."""

    def __init__(self, services: Services, endpoints: Iterable[Endpoint]) -> None:
        self.services = services
        self._authenticator = Authenticator(services.registry, services.clock, services.auth)
        self._routes: dict[tuple[str, str], Endpoint] = {}
        for endpoint in endpoints:
            for path in endpoint.paths:
                if (endpoint.method, path) in self._routes:
                    raise ValueError(f"two endpoints claim {endpoint.method} {path}")
                self._routes[endpoint.method, path] = endpoint

    def endpoint(self, method: str, path: str) -> Endpoint | None:
        """HEAD asks for what GET would answer; the connection leaves the body out."""
        method = "GET" if method == "HEAD" else method
        return self._routes.get((method, path)) or self._routes.get((method, path.rstrip("/")))

    @cached_property
    def document(self) -> dict[str, Any]:
        """The OpenAPI description of the table."""
        return describe(dict.fromkeys(self._routes.values()))

    def dispatch(self, request: WireRequest, ordered: VenueRefusal | None = None) -> WireResponse:
        """Answer a request; every refusal becomes `{"code", "msg"}` with its HTTP status.

        With `ordered`, what would be carried out is refused so instead.
        """
        endpoint = self.endpoint(request.method, request.path)
        identity: Identity | None = None
        try:
            if endpoint is None:
                self.services.limiter_of(request.path).charge(request.peer, 1)
                if self._is_public_preflight(request):
                    return WireResponse(200, b"", dict(_PREFLIGHT))
                docs = docs_response(request, self.document)
                if docs is not None:
                    return docs
                raise refusals.unknown_path(request.method, request.path)
            params, identity = self._admit(endpoint, request)
            if ordered is not None:
                raise ordered
            response = json_response(endpoint.handler(Call(self.services, request, params, identity)))
        except VenueRefusal as refusal:
            response = self.refused(request, refusal)
        except Exception:
            # A fault of ours must not take the exchange down; the client gets what a venue would say.
            log.exception("request failed", method=request.method, path=request.path)
            response = json_response(
                {"code": -1000, "msg": "An unknown error occured while processing the request."}, 500
            )
        self._add_headers(response, request, endpoint, identity)
        return response

    def _is_public_preflight(self, request: WireRequest) -> bool:
        """A browser asks whether a page may read what anybody may."""
        wanted = self.endpoint(request.headers.get("access-control-request-method", ""), request.path)
        return request.method == "OPTIONS" and wanted is not None and wanted.security is Security.NONE

    def _admit(self, endpoint: Endpoint, request: WireRequest) -> tuple[Params, Identity | None]:
        try:
            params = read_params(request.raw_query, request.body)
        except VenueRefusal:
            self.services.limiter_of(request.path).charge(request.peer, 1)
            raise
        limiter = self.services.limiter_of(request.path)
        limiter.charge(request.peer, endpoint.weight_of(params))
        identity = self._authenticator.identify(
            request, params, endpoint.security, reuses_nonce=endpoint.reuses_nonce
        )
        if endpoint.orders is not None and identity is not None:
            limiter.charge_orders(identity.account_id, endpoint.orders(params))
        return params, identity

    def refused(self, request: WireRequest, refusal: VenueRefusal) -> WireResponse:
        """The response of a refusal."""
        response = json_response({"code": refusal.code, "msg": refusal.message}, refusal.http_status)
        if refusal.http_status in (418, 429):
            limiter = self.services.limiter_of(request.path)
            response.headers["Retry-After"] = str(limiter.retry_after_s(request.peer))
        return response

    def _add_headers(
        self,
        response: WireResponse,
        request: WireRequest,
        endpoint: Endpoint | None,
        identity: Identity | None,
    ) -> None:
        limiter = self.services.limiter_of(request.path)
        response.headers["X-MBX-USED-WEIGHT-1M"] = str(limiter.used_weight(request.peer))
        if endpoint is not None and endpoint.security is Security.NONE:
            # Pages in a browser read the venue's public data; nothing that takes a signature is for them.
            response.headers["Access-Control-Allow-Origin"] = "*"
        if endpoint is not None and endpoint.orders is not None and identity is not None:
            response.headers |= limiter.order_headers(identity.account_id)
