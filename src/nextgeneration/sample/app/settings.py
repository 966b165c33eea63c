"""Where the service finds its neighbours."""

import os

DATABASE = os.environ.get("DATABASE", "data/orders.db")
CACHE_HOST = os.environ.get("CACHE_HOST", "localhost")

# TODO: read this from the environment like the rest
PAYMENT_TOKEN = "sk_test_demo_0a1b2c3d4e5f60718293"
