# Needs a fact that is in no file: the port is in the scout's brief, and the brief is in the prompt.
. agents/agent.sh

port=$(sed -n 's/.*Reserved port \([0-9][0-9]*\) for the parcel service.*/\1/p' "$GITFLEET_PROMPT" | head -n 1)
if [ -z "$port" ]; then
    say "the prompt holds no brief of the scout, so there is no port to listen on" >&2
    exit 1
fi
say "the scout's brief says port $port"

cat >parcels/server.py <<CODE
"""Quotes over HTTP."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from parcels.rates import price

PORT = $port
CODE
cat >>parcels/server.py <<'CODE'


def answer(path):
    """Status and text for a request such as /quote?zone=near&grams=750."""
    url = urlsplit(path)
    query = dict(parse_qsl(url.query))
    if url.path != "/quote":
        return 404, "not found"
    try:
        return 200, str(price(query["zone"], int(query["grams"])))
    except (KeyError, ValueError):
        return 400, "needs a zone (home, near, far) and grams"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        status, text = answer(self.path)
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode() + b"\n")


def serve():
    """Answer until interrupted, on the loopback interface only."""
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
CODE
work
commit "Serve quotes on port $port, which the scout reserved"

cat >tests/test_server.py <<'CODE'
import unittest

from parcels.server import PORT, answer


class ServerTest(unittest.TestCase):
    def test_a_quote(self):
        self.assertEqual(answer("/quote?zone=near&grams=750"), (200, "930"))

    def test_what_is_missing_is_said(self):
        self.assertEqual(answer("/quote?zone=near")[0], 400)
        self.assertEqual(answer("/")[0], 404)

    def test_the_port_needs_no_privilege(self):
        self.assertGreater(PORT, 1023)
CODE
work
check
commit "Test the service's answers"

handoff <<END
{
  "built": ["parcels/server.py: answer(path) and serve()"],
  "discoveries": [{"fact": "The service listens on http://127.0.0.1:$port and answers /quote.", "paths": ["parcels/server.py"], "kind": "api"}]
}
END
