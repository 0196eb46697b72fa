"""An authorization server made of Authlib and Flask: client credentials, introspection, JWKS, metadata of RFC 8414.

Arguments: the port; then, for https, the files of a certificate and its key.

Each client authenticates in the one way it is registered for: `basic` by client_secret_basic, `post` by client_secret_post;
anything else is invalid_client. Access tokens are opaque, or JWTs signed with ES256 where the form says `format=jwt`;
`ttl=SECONDS` sets their lifetime. `/introspect` wants a client, `/introspect/bearer` an access token with the scope
`introspect`.

The first line on standard output is {"listening": "127.0.0.1:PORT"}. GET /control/requests answers with every other
request so far. The program ends with its standard input, so that it cannot outlive a test.
"""

import json
import os
import sys
import threading
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, jsonify, request
from joserfc.jwk import ECKey, KeySet
from werkzeug.serving import WSGIRequestHandler, make_server

PORT = int(sys.argv[1])
TLS = tuple(sys.argv[2:4]) or None
ISSUER = f"{'https' if TLS else 'http'}://localhost:{PORT}"
AUDIENCE = "https://api.example/"
SCOPES = {"hello", "admin", "introspect"}

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
KEY = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": f"authlib-{time.time_ns()}"})
TOKENS = {}


class Client(ClientMixin):
    def __init__(self, method):
        self.name, self.method = method.removeprefix("client_secret_"), method

    def get_client_id(self):
        return self.name

    def get_allowed_scope(self, scope):
        return " ".join(word for word in (scope or "").split() if word in SCOPES)

    def check_client_secret(self, secret):
        return secret == f"{self.name}-secret"

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.method

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


class Token(TokenMixin):
    def __init__(self, client, values):
        self.client, self.scope, self.revoked = client, values.get("scope", ""), False
        self.issued, self.expires = int(time.time()), int(time.time()) + values["expires_in"]

    def check_client(self, client):
        return client.get_client_id() == self.client.get_client_id()

    def get_client(self):
        return self.client

    def get_scope(self):
        return self.scope

    def is_expired(self):
        return time.time() >= self.expires

    def is_revoked(self):
        return self.revoked


CLIENTS = {client.name: client for client in map(Client, ["client_secret_basic", "client_secret_post"])}
METHODS = [client.method for client in CLIENTS.values()]


def lifetime(client, grant_type):
    return int(request.form.get("ttl", 3600))


class Jwts(JWTBearerTokenGenerator):
    def get_jwks(self):
        return KeySet([KEY])

    def get_audiences(self, client, user, scope):
        return AUDIENCE


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class Introspection(IntrospectionEndpoint):
    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token, hint):
        return TOKENS.get(token)

    def check_permission(self, token, client, request):
        return True

    def introspect_token(self, token):
        name = token.client.get_client_id()
        return {
            "active": True,
            "client_id": name,
            "sub": name,
            "iss": ISSUER,
            "aud": [AUDIENCE],
            "scope": token.scope,
            "iat": token.issued,
            "exp": token.expires,
            "token_type": "Bearer",
        }


class IntrospectionByBearer(Introspection):
    ENDPOINT_NAME = "introspection-by-bearer"

    def authenticate_endpoint_client(self, request):
        return protector.acquire_token("introspect").get_client()


class Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = METHODS

    def query_token(self, token, hint):
        return TOKENS.get(token)

    def revoke_token(self, token, request):
        token.revoked = True


class Bearers(BearerTokenValidator):
    def authenticate_token(self, token):
        return TOKENS.get(token)


app = Flask(__name__)
server = AuthorizationServer(app, CLIENTS.get, lambda token, request: TOKENS.update(
    {token["access_token"]: Token(request.client, token)}))
opaque = server.create_bearer_token_generator({})
opaque.expires_generator = lifetime
jwts = Jwts(ISSUER, alg="ES256", expires_generator=lifetime)
server.register_token_generator(
    "default", lambda *args, **kwargs: (jwts if request.form.get("format") == "jwt" else opaque)(*args, **kwargs))
server.register_grant(ClientCredentials)
for endpoint in (Introspection, IntrospectionByBearer, Revocation):
    server.register_endpoint(endpoint)
protector = ResourceProtector()
protector.register_token_validator(Bearers())

REQUESTS, LOCK = [], threading.Lock()


@app.before_request
def remember():
    if request.path != "/control/requests":
        body = request.get_data(cache=True).decode("latin-1")
        headers = {name.lower(): value for name, value in request.headers.items()}
        with LOCK:
            REQUESTS.append({"method": request.method, "target": request.full_path.rstrip("?"),
                             "headers": headers, "body": body})


@app.get("/control/requests")
def requests():
    with LOCK:
        return jsonify(REQUESTS)


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/introspect")
def introspect():
    return server.create_endpoint_response("introspection")


@app.post("/introspect/bearer")
def introspect_by_bearer():
    return server.create_endpoint_response("introspection-by-bearer")


@app.post("/revoke")
def revoke():
    return server.create_endpoint_response("revocation")


@app.get("/jwks")
def jwks():
    return jsonify(KeySet([KEY]).as_dict(private=False))


# No /.well-known/openid-configuration: this is no OpenID provider.
@app.get("/.well-known/oauth-authorization-server")
def metadata():
    return jsonify(
        issuer=ISSUER,
        jwks_uri=f"{ISSUER}/jwks",
        token_endpoint=f"{ISSUER}/token",
        introspection_endpoint=f"{ISSUER}/introspect",
        revocation_endpoint=f"{ISSUER}/revoke",
        token_endpoint_auth_methods_supported=METHODS,
        grant_types_supported=["client_credentials"],
        response_types_supported=[],
    )


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_):
        pass


def end_with_standard_input():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_standard_input, daemon=True).start()
listener = make_server("127.0.0.1", PORT, app, threaded=True, request_handler=Handler, ssl_context=TLS)
print(json.dumps({"listening": f"127.0.0.1:{PORT}"}), flush=True)
listener.serve_forever()
