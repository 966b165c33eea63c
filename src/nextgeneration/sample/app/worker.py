"""The worker: prints an invoice for each new order."""

import os
import subprocess
import time

from app import settings
from app.orders import connect

POLL_SECONDS = int(os.environ.get("POLL_SECONDS", "10"))


def print_invoice(number, customer):
    """Hand one invoice to the printer."""
    subprocess.run(f"echo 'Invoice {number} for {customer}' | lpr", shell=True)


def step(connection, last):
    """Print what is newer than ``last``; the newest number."""
    rows = connection.execute("SELECT id, customer FROM orders WHERE id > ? ORDER BY id", (last,))
    for number, customer in rows:
        try:
            print_invoice(number, customer)
        except Exception:
            pass
        last = number
    return last


def main():
    last = 0
    while True:
        last = step(connect(settings.DATABASE), last)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    main()
