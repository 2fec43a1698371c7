"""Takes alerts. Needs `pip install standardwebhooks`; start it with SECRET=whsec_... python receiver.py 8099."""

import http.server
import os
import sys

from standardwebhooks import Webhook, WebhookVerificationError

hook = Webhook(os.environ["SECRET"])
seen: set[str] = set()  # keep them in your database: an id that you have is an alert that you have


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            alert = hook.verify(body, dict(self.headers))
        except (WebhookVerificationError, ValueError):
            return self.answer(400)
        for one in alert["data"]["items"] if alert["type"] == "batch" else [alert]:
            if one["data"]["id"] not in seen:
                seen.add(one["data"]["id"])
                print(one["type"], one["data"].get("group", {}).get("id"), one["data"].get("ltv"), flush=True)
        return self.answer(204)  # within 15 seconds: put long work into a queue of your own

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
