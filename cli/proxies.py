"""Requests to this machine never go to a proxy, whichever the environment names."""

import os

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")  # or in capitals
NO_PROXY_VARIABLES = ("no_proxy", "NO_PROXY")
THIS_MACHINE = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")  # requests reads the range, not all


def bypass_proxies_for_loopback() -> None:
    """Except loopback addresses from the environment's proxies, beside what the user has excepted.

    It holds for requests, through which MLflow talks to its server, and for the processes that we
    start. Without a proxy the environment stays as it is.
    """
    if not any(os.environ.get(name) or os.environ.get(name.upper()) for name in PROXY_VARIABLES):
        return
    given = [os.environ.get(name, "") for name in NO_PROXY_VARIABLES]
    for name, own, other in zip(NO_PROXY_VARIABLES, given, reversed(given), strict=True):
        excepted = (own or other).strip()
        if excepted != "*":  # which means all machines, but only when it stands alone
            names = dict.fromkeys([*filter(None, excepted.split(",")), *THIS_MACHINE])
            os.environ[name] = ",".join(names)
