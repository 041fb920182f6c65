"""Send requests of one row as JSON, from several clients at once, over persistent connections.

    python -m benchmarks.one_row ENDPOINT CLIENTS REQUESTS

It prints the median latency in milliseconds, the requests per second, and the failed requests.
"""

import http.client
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

ROW = {
    "requested": 1500.0,
    "loan_purpose": "auto",
    "credit": "good",
    "annual_income": 42000.0,
    "apr": 19.99,
}
BODY = json.dumps({"dataframe_records": [ROW]})
HEADERS = {"Content-Type": "application/json"}
WARM_UP = 20  # requests per client that are not measured


def client(address: str, requests: int, latencies: list[float], failed: list[int]) -> None:
    connection = http.client.HTTPConnection(address, timeout=60)
    for number in range(WARM_UP + requests):
        started = time.perf_counter()
        connection.request("POST", "/invocations", BODY, HEADERS)
        response = connection.getresponse()
        content = response.read()
        if number >= WARM_UP:
            latencies.append(time.perf_counter() - started)
        if response.status != 200 or len(json.loads(content)["predictions"]) != 1:
            failed.append(response.status)


def main() -> None:
    endpoint, clients, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    latencies: list[float] = []
    failed: list[int] = []
    each = requests // clients
    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        for _ in range(clients):
            threads.submit(client, urlsplit(endpoint).netloc, each, latencies, failed)
    seconds = time.perf_counter() - started
    lost = clients * each - len(latencies)
    print(
        f"{statistics.median(latencies) * 1000:.3f} "
        f"{clients * (WARM_UP + each) / seconds:.1f} {len(failed) + lost}"
    )


if __name__ == "__main__":
    main()
