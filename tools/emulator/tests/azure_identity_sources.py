"""Microsoft's own client gets tokens from every other source that the emulator plays.

Usage: azure_identity_sources.py SOURCES

SOURCES is JSON: the `resource`, and a list of `sources`, each with `name`, `kind` (managed, secret,
certificate, workload), `environment` (variables for it alone), `options` (arguments of the credential)
and the `client_id` that the token has to be for. Hosts of the login server lead to `login_port` of this
machine; `arc_tokens` is where Arc's files are. Prints a line for each check; exits with 0 if all hold.
"""

import base64
import json
import os
import socket
import sys

import msal.managed_identity
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

KINDS = {
    "managed": ManagedIdentityCredential,
    "secret": ClientSecretCredential,
    "certificate": CertificateCredential,
    "workload": WorkloadIdentityCredential,
}

wanted = json.loads(sys.argv[1])
failed = False


def lead_login_here(port):
    """Names of the login host become this machine, as a resolver of the test would have it."""
    resolve = socket.getaddrinfo

    def resolve_here(host, asked, *rest, **more):
        if host == "login.microsoftonline.com":
            host, asked = "127.0.0.1", port
        return resolve(host, asked, *rest, **more)

    socket.getaddrinfo = resolve_here


def claims_of(token):
    """The claims of a JWT, not verified."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def check(source):
    """Gets a token from one source and looks at whom it is for."""
    global failed
    os.environ.update(source["environment"])
    try:
        options = dict(source["options"])
        if source["kind"] != "managed":
            options["disable_instance_discovery"] = True
        if "certificate_data" in options:
            options["certificate_data"] = options["certificate_data"].encode()
        credential = KINDS[source["kind"]](**options)
        claims = claims_of(credential.get_token(wanted["resource"] + "/.default").token)
        client = claims.get("azp")
        holds, text = client == source["client_id"], f"the token is for {client}"
    except Exception as error:  # every failure is the result of a check
        holds, text = False, repr(error)
    finally:
        for name in source["environment"]:
            del os.environ[name]
    failed |= not holds
    print(("ok      " if holds else "FAILED  ") + f"{source['name']}: {text}", flush=True)


lead_login_here(wanted["login_port"])
msal.managed_identity._supported_arc_platforms_and_their_prefixes = {sys.platform: wanted["arc_tokens"]}
for each in wanted["sources"]:
    check(each)
sys.exit(1 if failed else 0)
