"""One row a request, by JSON over connections that are kept, from so many clients at once.

    python -m benchmarks.one_row ENDPOINT CLIENTS REQUESTS

Prints the median of the latencies in milliseconds, the requests a second, and how many failed.
"""

import http.client
import json
import statistics
import sys
import threading
import time
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
WARM_UP = 20  # requests of each client that do not count


def client(address: str, requests: int, latencies: list[float], failed: list[int]) -> None:
    connection = http.client.HTTPConnection(address, timeout=60)
    for number in range(WARM_UP + requests):
        started = time.perf_counter()
        connection.request("POST", "/invocations", BODY, HEADERS)
        answer = connection.getresponse()
        content = answer.read()
        if number >= WARM_UP:
            latencies.append(time.perf_counter() - started)
        if answer.status != 200 or len(json.loads(content)["predictions"]) != 1:
            failed.append(answer.status)


def main() -> None:
    endpoint, clients, requests = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    latencies: list[float] = []
    failed: list[int] = []
    each = requests // clients
    work = (urlsplit(endpoint).netloc, each, latencies, failed)
    threads = [threading.Thread(target=client, args=work) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    lost = clients * each - len(latencies)
    print(
        f"{statistics.median(latencies) * 1000:.3f} "
        f"{clients * (WARM_UP + each) / seconds:.1f} {len(failed) + lost}"
    )


if __name__ == "__main__":
    main()
