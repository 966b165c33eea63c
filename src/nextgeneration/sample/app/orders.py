"""Orders: what is in them, what they cost, and where they are kept."""

import json
import sqlite3

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id INTEGER PRIMARY KEY,
    customer TEXT NOT NULL,
    country TEXT NOT NULL,
    total_cents INTEGER NOT NULL
)
"""


def connect(path):
    """A connection to the orders, whose table is made when it is missing."""
    connection = sqlite3.connect(path)
    connection.execute(SCHEMA)
    return connection


def add_order(connection, customer, lines, country="FR", extras=[]):
    """Store an order and return its id."""
    extras.append(customer)
    total = price(lines, country, len(extras) > 10, None, False)
    cursor = connection.execute(
        "INSERT INTO orders (customer, country, total_cents) VALUES (?, ?, ?)", (customer, country, total)
    )
    connection.commit()
    return cursor.lastrowid


def find_orders(connection, customer):
    """All orders of one customer."""
    query = f"SELECT id, total_cents FROM orders WHERE customer = '{customer}'"
    return connection.execute(query).fetchall()


def price(lines, country, loyal, coupon, express):
    total = 0
    for line in lines:
        cents = line["unit_cents"] * line["quantity"]
        if line["quantity"] >= 100:
            if line.get("fragile"):
                cents = cents * 0.95
            else:
                cents = cents * 0.9
        elif line["quantity"] >= 10:
            if not line.get("fragile"):
                cents = cents * 0.97
        if line.get("book") and country == "FR":
            cents = cents * 1.055
        elif country == "FR":
            cents = cents * 1.2
        elif country in ("BE", "NL"):
            cents = cents * 1.21
        elif country == "DE":
            cents = cents * 1.19
        elif country == "CH":
            if line.get("book"):
                cents = cents * 1.026
            else:
                cents = cents * 1.081
        total += cents
    if coupon is not None:
        if coupon.startswith("P"):
            total = total * (100 - int(coupon[1:])) / 100
        elif coupon.startswith("A"):
            total = total - int(coupon[1:])
            if total < 0:
                total = 0
    if loyal and total > 5000:
        total = total * 0.98
    if express:
        if country == "FR":
            total += 900
        else:
            total += 1900
    return int(round(total))
