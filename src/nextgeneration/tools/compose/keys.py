"""The keys the Compose specification knows, and the kind of value each takes.

Kinds: ``s`` a single value, ``l`` a list, ``m`` a mapping. Source: the specification's JSON schema as of
its version with ``models``, ``provider`` and lifecycle hooks.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection


def words(text: str) -> frozenset[str]:
    """The words of ``text`` as a set."""
    return frozenset(text.split())


TOP_LEVEL = {
    "version": "s",
    "name": "s",
    "include": "l",
    "services": "m",
    "models": "m",
    "networks": "m",
    "volumes": "m",
    "secrets": "m",
    "configs": "m",
}

SERVICE = {
    "annotations": "lm",
    "attach": "s",
    "blkio_config": "m",
    "build": "sm",
    "cap_add": "l",
    "cap_drop": "l",
    "cgroup": "s",
    "cgroup_parent": "s",
    "command": "sl",
    "configs": "l",
    "container_name": "s",
    "cpu_count": "s",
    "cpu_percent": "s",
    "cpu_period": "s",
    "cpu_quota": "s",
    "cpu_rt_period": "s",
    "cpu_rt_runtime": "s",
    "cpu_shares": "s",
    "cpus": "s",
    "cpuset": "s",
    "credential_spec": "m",
    "depends_on": "lm",
    "deploy": "m",
    "develop": "m",
    "device_cgroup_rules": "l",
    "devices": "l",
    "dns": "sl",
    "dns_opt": "l",
    "dns_search": "sl",
    "domainname": "s",
    "entrypoint": "sl",
    "env_file": "sl",
    "environment": "lm",
    "expose": "l",
    "extends": "sm",
    "external_links": "l",
    "extra_hosts": "lm",
    "gpus": "sl",
    "group_add": "l",
    "healthcheck": "m",
    "hostname": "s",
    "image": "s",
    "init": "s",
    "ipc": "s",
    "isolation": "s",
    "label_file": "sl",
    "labels": "lm",
    "links": "l",
    "logging": "m",
    "mac_address": "s",
    "mem_limit": "s",
    "mem_reservation": "s",
    "mem_swappiness": "s",
    "memswap_limit": "s",
    "models": "lm",
    "network_mode": "s",
    "networks": "lm",
    "oom_kill_disable": "s",
    "oom_score_adj": "s",
    "pid": "s",
    "pids_limit": "s",
    "platform": "s",
    "ports": "l",
    "post_start": "l",
    "pre_stop": "l",
    "privileged": "s",
    "profiles": "l",
    "provider": "m",
    "pull_policy": "s",
    "pull_refresh_after": "s",
    "read_only": "s",
    "restart": "s",
    "runtime": "s",
    "scale": "s",
    "secrets": "l",
    "security_opt": "l",
    "shm_size": "s",
    "stdin_open": "s",
    "stop_grace_period": "s",
    "stop_signal": "s",
    "storage_opt": "m",
    "sysctls": "lm",
    "tmpfs": "sl",
    "tty": "s",
    "ulimits": "m",
    "use_api_socket": "s",
    "user": "s",
    "userns_mode": "s",
    "uts": "s",
    "volumes": "l",
    "volumes_from": "l",
    "working_dir": "s",
}

NESTED = {
    "build": words(
        "additional_contexts args cache_from cache_to context dockerfile dockerfile_inline entitlements extra_hosts "
        "isolation labels network no_cache no_cache_filter platforms privileged provenance pull sbom secrets shm_size "
        "ssh tags target ulimits"
    ),
    "healthcheck": words("disable interval retries start_interval start_period test timeout"),
    "logging": frozenset({"driver", "options"}),
    "deploy": words(
        "endpoint_mode labels mode placement replicas resources restart_policy rollback_config update_config"
    ),
}

REMOVED = {
    "net": "network_mode",
    "volume_driver": "volumes",
    "log_driver": "logging",
    "log_opt": "logging",
    "dockerfile": "build",
    "cpu_set": "cpuset",
    "env": "environment",
    "envs": "environment",
    "depend_on": "depends_on",
    "port": "ports",
}
"""Keys of the first file format, and slips that resemble no key enough, with the key that is meant."""


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known key that ``name`` was most likely meant to be."""
    if name in REMOVED and REMOVED[name] in known:
        return REMOVED[name]
    folded = name.lower().replace("-", "_")
    if folded in known:
        return folded
    close = difflib.get_close_matches(folded, known, n=1, cutoff=0.75)
    return close[0] if close else None
