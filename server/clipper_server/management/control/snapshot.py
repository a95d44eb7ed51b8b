"""What query frontends need of the desired state."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from ...rollouts import RolloutSpec
from ...shadows import ShadowSpec
from ...snapshot import RequestSpec, Snapshot, VersionSpec
from ..feedback import keys
from ..running import Running
from ..state import State, Version
from . import protocols


def of(
    state: State,
    running: Running,
    replica_token: Callable[[Version], str],
    example: Callable[[Version], Any],
) -> Snapshot:
    """With the digests of the credentials that `replica_token` gives the replicas of a model's version. One
    that has fallen on its way up wakes when it has slept again: until then nobody waits for it.
    """
    versions = [
        VersionSpec(
            version.model,
            version.version,
            version.input_type,
            hashlib.sha256(replica_token(version).encode()).hexdigest(),
            version.num_replicas,
            version.batching,
            version.size,
            version.hang_after_s,
            -1 if version.uses else version.max_cached_input,  # what it uses may be another one tomorrow
            version.wakes
            and not (version.num_replicas and running.has_fallen(version.model, version.version)),
            version.columns,
            version.concurrency,
            version.uses,
            version.stages,
            example(version),
        )
        for version in state.versions()
        if version.state != "failed"
    ]
    return Snapshot(
        state.revision,
        state.applications(),
        versions,
        state.current(),
        int(state.get("cache_size") or 0),
        RequestSpec(
            int(state.get("max_inputs") or RequestSpec().max_inputs),
            int(state.get("max_json") or RequestSpec().max_json),
            [origin for origin in (state.get("cors_origins") or "").split(",") if origin],
        ),
        [
            RolloutSpec(rollout.id, rollout.model, rollout.control, rollout.canary, rollout.sticky)
            for rollout in state.live_rollouts()
        ],
        [ShadowSpec(s.id, s.model, s.version, s.fraction, s.tolerance) for s in state.live_shadows()],
        keys.of(state),
        protocols.of(state),
        state.version_labels(),
    )
