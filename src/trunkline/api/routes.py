"""Every route of every face, in one literal table."""

from __future__ import annotations

from typing import Final

from trunkline.api import discovery, metrics
from trunkline.api.compute.routes import ROUTES as COMPUTE
from trunkline.api.identity.routes import ROUTES as IDENTITY
from trunkline.api.image.routes import ROUTES as IMAGE
from trunkline.api.network.routes import ROUTES as NETWORK
from trunkline.api.placement.routes import ROUTES as PLACEMENT
from trunkline.api.routing import Auth, Route, get
from trunkline.api.v1.routes import ROUTES as V1

DISCOVERY: Final[tuple[Route, ...]] = (
    get("/", discovery.root, Auth.PUBLIC),
    get("/healthz", discovery.health, Auth.PUBLIC),
    get("/metrics", metrics.show, Auth.PUBLIC),
    get("/identity", discovery.identity_versions, Auth.PUBLIC),
    get("/identity/v3", discovery.identity_v3, Auth.PUBLIC),
    get("/compute", discovery.compute_versions, Auth.PUBLIC),
    get("/compute/v2", discovery.compute_v2_0, Auth.PUBLIC),
    get("/compute/v2.1", discovery.compute_v2_1, Auth.PUBLIC),
    get("/network", discovery.network_versions, Auth.PUBLIC),
    get("/image", discovery.image_versions, Auth.PUBLIC),
    get("/image/versions", discovery.image_versions, Auth.PUBLIC),
    get("/placement", discovery.placement_versions, Auth.PUBLIC),
)

# All but identity: what there is where users are in the hands of another service.
ROUTES_BUT_IDENTITY: Final[tuple[Route, ...]] = (
    *DISCOVERY,
    *NETWORK,
    *COMPUTE,
    *IMAGE,
    *PLACEMENT,
    *V1,
)

ROUTES: Final[tuple[Route, ...]] = (*ROUTES_BUT_IDENTITY, *IDENTITY)
