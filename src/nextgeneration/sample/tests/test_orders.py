"""Tests of prices and storage."""

from app.orders import add_order, connect, find_orders, price

BOOK = {"unit_cents": 1000, "quantity": 1, "book": True}
LAMP = {"unit_cents": 4000, "quantity": 2}


def test_a_book_has_the_reduced_rate():
    assert price([BOOK], "FR", False, None, False) == 1055


def test_an_order_is_found_again():
    connection = connect(":memory:")
    number = add_order(connection, "ada", [LAMP])
    assert find_orders(connection, "ada") == [(number, 9600)]


def test_a_coupon_never_makes_a_price_negative():
    assert price([BOOK], "FR", False, "A5000", False) == 0


def test_a_customer_with_an_apostrophe_is_found():
    connection = connect(":memory:")
    add_order(connection, "O'Neill", [LAMP])
    assert len(find_orders(connection, "O'Neill")) == 1
