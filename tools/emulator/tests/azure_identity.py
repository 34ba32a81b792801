"""Microsoft's own client gets tokens from the emulator's IMDS.

Usage: azure_identity.py GRANTS

GRANTS is JSON: the API (`resource`, `audience`) and a list of `identities`, each with `name`,
`client_id` (null for the system-assigned one) and `roles`. The variable
AZURE_POD_IDENTITY_AUTHORITY_HOST says where IMDS is (http://127.0.0.1:PORT). Prints a line for
each check; exits with 0 if all hold, with 1 otherwise.
"""

import base64
import json
import sys
import time

from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential

failed = False


def check(holds, text):
    """Prints what was checked and whether it holds."""
    global failed
    failed |= not holds
    print(("ok      " if holds else "FAILED  ") + text, flush=True)


def claims_of(token):
    """The claims of a JWT, not verified."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def check_identity(resource, audience, identity):
    """Gets a token for one identity, twice, and looks at it."""
    name = identity["name"]
    credential = ManagedIdentityCredential(client_id=identity["client_id"])
    answer = credential.get_token(resource + "/.default")
    claims = claims_of(answer.token)
    check(claims["aud"] == audience, f"{name}: aud is {claims['aud']}")
    check(claims["roles"] == identity["roles"], f"{name}: roles are {claims['roles']}")
    left = answer.expires_on - time.time()
    check(86_000 < left <= 86_400, f"{name}: expires in {left:.0f} s")

    afresh = ManagedIdentityCredential(client_id=identity["client_id"])
    again = afresh.get_token(resource + "/.default")
    check(again.token == answer.token, f"{name}: another client gets the same token")


def check_refusals(resource):
    """What IMDS refuses reaches the caller as an error, with its words."""
    for text, client_id, asked in [
        ("Identity not found", "00000000-0000-0000-0000-000000000000", resource),
        ("AADSTS50001", None, "api://unknown"),
    ]:
        try:
            ManagedIdentityCredential(client_id=client_id).get_token(asked + "/.default")
        except (ClientAuthenticationError, CredentialUnavailableError) as error:
            check(text in str(error), f"refused: {text}")
        else:
            check(False, f"not refused: {text}")


grants = json.loads(sys.argv[1])
for granted in grants["identities"]:
    check_identity(grants["resource"], grants["audience"], granted)
check_refusals(grants["resource"])
sys.exit(1 if failed else 0)
