"""Where everything came from: artifacts with digests and inputs, versions, and what each stage took."""

from __future__ import annotations

import math
from typing import Any

from acclimate.report.gather import RunRecord
from acclimate.report.numbers import duration, number, size

SHORT = 12


def lineage(run: RunRecord) -> dict[str, Any]:
    """Artifacts in the order in which they build on each other, and package versions."""
    digests = {stage: str(manifest.get("digest") or "") for stage, manifest in run.manifests.items()}
    makers = {digest: stage for stage, digest in digests.items() if digest}
    artifacts = []
    for stage in _ordered(run.manifests, makers):
        manifest = run.manifests[stage]
        files = manifest.get("files") or {}
        artifacts.append(
            {
                "stage": stage,
                "digest": digests[stage],
                "short": digests[stage][:SHORT],
                "inputs": [
                    {
                        "name": name,
                        "digest": str(digest),
                        "short": str(digest)[:SHORT],
                        "stage": makers.get(str(digest)),
                    }
                    for name, digest in sorted((manifest.get("inputs") or {}).items())
                ],
                "files": len(files),
                "size": size(sum(number(one.get("size")) for one in files.values())),
                "created": str(manifest.get("created") or ""),
            }
        )
    return {"artifacts": artifacts, "versions": _versions(run)}


def _ordered(manifests: dict[str, dict[str, Any]], makers: dict[str, str]) -> list[str]:
    """Stages after what they read, otherwise by name."""
    done: list[str] = []

    def visit(stage: str, path: tuple[str, ...]) -> None:
        if stage in done or stage in path:
            return
        inputs = (str(digest) for digest in (manifests[stage].get("inputs") or {}).values())
        for needed in sorted(makers[digest] for digest in inputs if digest in makers):
            visit(needed, (*path, stage))
        done.append(stage)

    for stage in sorted(manifests):
        visit(stage, ())
    return done


def _versions(run: RunRecord) -> list[tuple[str, str]]:
    """Package → the versions that made the artifacts; more than one where an artifact is from an earlier run."""
    found: dict[str, set[str]] = {}
    for manifest in run.manifests.values():
        for package, version in (manifest.get("versions") or {}).items():
            found.setdefault(str(package), set()).add(str(version))
    return [(package, ", ".join(sorted(versions))) for package, versions in sorted(found.items())]


def stage_costs(run: RunRecord) -> dict[str, Any] | None:
    """Time and peak memory of each stage, in the order in which they ran."""
    stages = {name: one for name, one in (run.metrics.get("stages") or {}).items() if isinstance(one, dict)}
    if not stages:
        return None
    longest = max(
        (s for one in stages.values() if math.isfinite(s := number(one.get("seconds")))), default=0.0
    )
    rows = []
    for name, one in stages.items():
        seconds = number(one.get("seconds"))
        rows.append(
            {
                "name": name,
                "skipped": bool(one.get("skipped")),
                "seconds": duration(seconds),
                "bar": seconds / longest if longest and math.isfinite(seconds) else 0.0,
                "memory": size(one.get("peak_memory_bytes"))
                if number(one.get("peak_memory_bytes")) > 0
                else "–",
            }
        )
    total = sum(
        s
        for one in stages.values()
        if not one.get("skipped") and math.isfinite(s := number(one.get("seconds")))
    )
    return {"rows": rows, "total": duration(total), "any_skipped": any(row["skipped"] for row in rows)}
