"""Connect to this machine directly, even if the environment names a proxy."""

import os

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")  # or in upper case
NO_PROXY_VARIABLES = ("no_proxy", "NO_PROXY")
# `requests` understands the range 127.0.0.0/8; other libraries need the address itself
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")


def bypass_proxies_for_loopback() -> None:
    """Add loopback addresses to the environment's list of hosts that need no proxy.

    This affects `requests`, which MLflow uses, and the processes that we start. Without a proxy,
    the environment is left unchanged.
    """
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in PROXY_VARIABLES):
        return
    values = [os.environ.get(name, "") for name in NO_PROXY_VARIABLES]
    for name, own, other in zip(NO_PROXY_VARIABLES, values, reversed(values), strict=True):
        hosts = (own or other).strip()
        if hosts != "*":  # "*" means all hosts, but only if it stands alone
            merged = dict.fromkeys([*filter(None, hosts.split(",")), *LOOPBACK_HOSTS])
            os.environ[name] = ",".join(merged)
