"""The HTTP interface of the orders service."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from app import settings
from app.orders import add_order, connect, find_orders


class Orders(BaseHTTPRequestHandler):
    """GET /orders/<customer> lists, POST /orders adds."""

    def do_GET(self):
        customer = self.path.rsplit("/", 1)[-1]
        with connect(settings.DATABASE) as connection:
            self.answer(200, find_orders(connection, customer))

    def do_POST(self):
        try:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with connect(settings.DATABASE) as connection:
                number = add_order(connection, body["customer"], body["lines"])
            self.answer(201, {"id": number})
        except:
            self.answer(400, {"error": "bad order"})

    def answer(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main():
    """Serve until interrupted."""
    ThreadingHTTPServer(("0.0.0.0", 8080), Orders).serve_forever()


if __name__ == "__main__":
    main()
