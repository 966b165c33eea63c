"""Image references, and what is known of widely used images."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nextgeneration.tools.compose.interpolation import settled


@dataclass(frozen=True, slots=True)
class Image:
    """An image reference. ``tag`` and ``digest`` are empty when absent; ``name`` is the last part of the path."""

    reference: str
    repository: str
    name: str
    tag: str
    digest: str
    official: bool


def image_of(text: str) -> Image | None:
    """The parts of a reference; None when a variable without default decides them."""
    plain = settled(text.strip())
    if not plain or plain != plain.strip() or " " in plain:
        return None
    rest, _, digest = plain.partition("@")
    head, slash, last = rest.rpartition("/")
    name, _, tag = last.partition(":")
    repository = head + slash + name
    path = repository.removeprefix("docker.io/").removeprefix("library/")
    return Image(plain, repository, name.lower(), tag, digest, "/" not in path)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a kind of service.

    Attributes:
        title: the product.
        ports: the container ports that serve its data.
        data: where it keeps its data; empty when losing it is by design.
        probe: a health check that the image itself can run; empty when there is none that always works.
    """

    title: str
    ports: tuple[int, ...]
    data: str = ""
    probe: str = ""


_POSTGRES = Known(
    "PostgreSQL",
    (5432,),
    "/var/lib/postgresql",
    '["CMD-SHELL", "pg_isready -U $${POSTGRES_USER:-postgres}"]',
)
_MYSQL = Known("MySQL", (3306, 33060), "/var/lib/mysql", '["CMD", "mysqladmin", "ping", "-h", "127.0.0.1"]')
_MARIADB = Known("MariaDB", (3306,), "/var/lib/mysql", '["CMD", "healthcheck.sh", "--connect", "--innodb_initialized"]')
_REDIS = Known("Redis", (6379,), "", '["CMD", "redis-cli", "ping"]')
_ELASTIC = Known("Elasticsearch", (9200, 9300), "/usr/share/elasticsearch/data")

DATABASES: dict[str, Known] = {
    "postgres": _POSTGRES,
    "postgresql": _POSTGRES,
    "postgis": _POSTGRES,
    "timescaledb": _POSTGRES,
    "pgvector": _POSTGRES,
    "mysql": _MYSQL,
    "mysql-server": _MYSQL,
    "percona": _MYSQL,
    "mariadb": _MARIADB,
    "mongo": Known("MongoDB", (27017,), "/data/db"),
    "mongodb": Known("MongoDB", (27017,), "/data/db"),
    "redis": _REDIS,
    "redis-stack": _REDIS,
    "redis-stack-server": _REDIS,
    "valkey": Known("Valkey", (6379,), "", '["CMD", "valkey-cli", "ping"]'),
    "keydb": Known("KeyDB", (6379,)),
    "dragonfly": Known("Dragonfly", (6379,)),
    "memcached": Known("Memcached", (11211,)),
    "elasticsearch": _ELASTIC,
    "opensearch": Known("OpenSearch", (9200, 9300, 9600), "/usr/share/opensearch/data"),
    "cassandra": Known("Cassandra", (9042, 7000, 7199), "/var/lib/cassandra"),
    "scylla": Known("ScyllaDB", (9042, 7000), "/var/lib/scylla"),
    "couchdb": Known("CouchDB", (5984,), "/opt/couchdb/data"),
    "couchbase": Known("Couchbase", (8091, 11210), "/opt/couchbase/var"),
    "influxdb": Known("InfluxDB", (8086,), "/var/lib/influxdb"),
    "clickhouse-server": Known("ClickHouse", (8123, 9000), "/var/lib/clickhouse"),
    "neo4j": Known("Neo4j", (7474, 7687), "/data"),
    "arangodb": Known("ArangoDB", (8529,), "/var/lib/arangodb3"),
    "rethinkdb": Known("RethinkDB", (8080, 28015, 29015), "/data"),
    "etcd": Known("etcd", (2379, 2380)),
    "zookeeper": Known("ZooKeeper", (2181,)),
    "rabbitmq": Known("RabbitMQ", (5672, 15672), "", '["CMD", "rabbitmq-diagnostics", "-q", "ping"]'),
    "cockroach": Known("CockroachDB", (26257,), "/cockroach/cockroach-data"),
    "mssql": Known("SQL Server", (1433,), "/var/opt/mssql"),
    "server": Known("SQL Server", (1433,), "/var/opt/mssql"),
}
"""Data stores and brokers by the last part of their image's name."""

ADMIN_PANELS: dict[str, str] = {
    "adminer": "Adminer",
    "phpmyadmin": "phpMyAdmin",
    "pgadmin4": "pgAdmin",
    "mongo-express": "mongo-express",
    "redis-commander": "Redis Commander",
    "redisinsight": "Redis Insight",
    "phpredisadmin": "phpRedisAdmin",
    "portainer": "Portainer",
    "portainer-ce": "Portainer",
    "kafka-ui": "Kafka UI",
    "dozzle": "Dozzle",
    "cadvisor": "cAdvisor",
    "flower": "Flower",
    "kafdrop": "Kafdrop",
}
"""Administration interfaces by the last part of their image's name."""


def known_store(image: Image | None) -> Known | None:
    """What is known of the data store an image runs."""
    if image is None:
        return None
    if image.name == "server" and "mssql" not in image.repository:
        return None
    return DATABASES.get(image.name)


def safe_probe(image: Image | None) -> str:
    """A health check to propose: only for official images, whose tools are known to be inside."""
    known = known_store(image)
    if known is None or image is None or not image.official:
        return ""
    if known is _MARIADB and re.match(r"10\.[0-5](?:\D|$)|[0-9]\.", image.tag):
        return ""
    return known.probe


ENDED: dict[str, dict[str, str]] = {
    "postgres": {
        "9": "2021-11",
        "10": "2022-11",
        "11": "2023-11",
        "12": "2024-11",
        "13": "2025-11",
    },
    "mysql": {"5": "2023-10", "8.0": "2026-04"},
    "mongo": {
        "3": "2021-04",
        "4": "2024-02",
        "5": "2024-10",
        "6": "2025-07",
    },
    "node": {
        "10": "2021-04",
        "12": "2022-04",
        "14": "2023-04",
        "16": "2023-09",
        "18": "2025-04",
        "20": "2026-04",
    },
    "python": {
        "2": "2020-01",
        "3.6": "2021-12",
        "3.7": "2023-06",
        "3.8": "2024-10",
        "3.9": "2025-10",
        "3.10": "2026-10",
    },
    "php": {"5": "2018-12", "7": "2022-11", "8.0": "2023-11", "8.1": "2025-12"},
    "debian": {"8": "2020-06", "9": "2022-06", "10": "2024-06", "11": "2026-08"},
    "ubuntu": {"14.04": "2019-04", "16.04": "2021-04", "18.04": "2023-05", "20.04": "2025-05"},
    "centos": {"6": "2020-11", "7": "2024-06", "8": "2021-12"},
    "elasticsearch": {"5": "2019-03", "6": "2022-02", "7": "2026-01"},
}
"""Release lines of official images whose public support has ended, with the month it did."""


def ended(image: Image) -> tuple[str, str] | None:
    """The release line of an official image and the month its support ended."""
    lines = ENDED.get(image.name) if image.official or image.name == "elasticsearch" else None
    numbers = re.match(r"\d+(?:\.\d+)*", image.tag)
    if not lines or not numbers:
        return None
    parts = numbers[0].split(".")
    for length in (2, 1):
        line = ".".join(parts[:length])
        if line in lines:
            return line, lines[line]
    return None
