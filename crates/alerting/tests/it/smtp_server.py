"""A mail server with encryption and authentication: smtp_server.py DIR PASSWORD starttls|tls.

Writes cert.pem, other.pem (another authority) and, for each mail, the file `mail` to DIR; prints its port.
"""

import pathlib
import socket
import ssl
import subprocess
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

directory, password, tls = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]


def make_certificate(name):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem"],
        check=True, capture_output=True,
    )


class Handler:
    async def handle_DATA(self, server, session, envelope):
        (directory / "mail").write_bytes(envelope.content)
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    is_right = data.login == b"robot" and data.password == password.encode()
    return AuthResult(success=is_right, handled=is_right)


make_certificate("cert")
make_certificate("other")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(directory / "cert.pem", directory / "cert.key")
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
controller = Controller(
    Handler(), hostname="127.0.0.1", port=port, auth_required=True, authenticator=authenticate,
    # Encrypted from the first byte, it cannot be upgraded, which aiosmtpd has to know.
    **({"ssl_context": context, "auth_require_tls": False} if tls == "tls"
       else {"tls_context": context, "require_starttls": True}),
)
controller.start()
print(port, flush=True)
time.sleep(120)
