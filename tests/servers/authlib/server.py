"""An authorization server made of Authlib and Flask: client credentials, password, refresh tokens that rotate, the JWT bearer grant;
introspection, JWKS, metadata of RFC 8414.

Arguments: the port; a folder. It speaks https where the folder has a server.crt, with its server.key. It writes the key
that the client `key-jwt` signs by into the folder: client.key.

Each client authenticates in the one way it is registered for: `basic` by client_secret_basic, `post` by client_secret_post,
`key-jwt` by private_key_jwt; anything else is invalid_client. `key-jwt` is also the issuer of assertions for the JWT bearer grant.
A `jti` is good once. Access tokens are opaque, or JWTs signed with ES256 where the form says `format=jwt`;
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
from pathlib import Path

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin, InvalidGrantError, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, jsonify, request
from joserfc.jwk import ECKey, KeySet, RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

PORT = int(sys.argv[1])
FOLDER = Path(sys.argv[2])
TLS = (FOLDER / "server.crt", FOLDER / "server.key") if (FOLDER / "server.crt").exists() else None
ISSUER = f"{'https' if TLS else 'http'}://localhost:{PORT}"
AUDIENCE = "https://api.example/"
SCOPES = {"hello", "admin", "introspect"}

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
KEY = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": f"authlib-{time.time_ns()}"})
CLIENT_KEY_FILE = FOLDER / "client.key"
if not CLIENT_KEY_FILE.exists():
    CLIENT_KEY_FILE.write_bytes(RSAKey.generate_key(2048, private=True).as_pem(private=True))
CLIENT_KEY = RSAKey.import_key(CLIENT_KEY_FILE.read_bytes())
USERS = {"alice": "alice-pass-alice-pass", "bob": "bob-pass-bob-pass", "zoë": "pässwört: 100% & +=/?"}
GRANTS = {"client_credentials", "password", "refresh_token", JWTBearerGrant.GRANT_TYPE}
PRIVATE_KEY_JWT = JWTBearerClientAssertion.CLIENT_AUTH_METHOD
TOKENS, REFRESHABLE, USED = {}, {}, set()


class User:
    def __init__(self, name):
        self.name = name

    def get_user_id(self):
        return self.name


class Client(ClientMixin):
    def __init__(self, name, method):
        self.name, self.method = name, method

    def get_client_id(self):
        return self.name

    def get_allowed_scope(self, scope):
        return " ".join(word for word in (scope or "").split() if word in SCOPES)

    def check_client_secret(self, secret):
        return secret == f"{self.name}-secret"

    def check_endpoint_auth_method(self, method, endpoint):
        return method == self.method

    def check_grant_type(self, grant_type):
        return grant_type in GRANTS


class Token(TokenMixin):
    def __init__(self, client, user, values):
        self.client, self.user, self.scope, self.revoked = client, user, values.get("scope", ""), False
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


CLIENTS = {
    "basic": Client("basic", "client_secret_basic"),
    "post": Client("post", "client_secret_post"),
    "key-jwt": Client("key-jwt", PRIVATE_KEY_JWT),
}
METHODS = [client.method for client in CLIENTS.values()]


def used_once(issuer, jti):
    with LOCK:
        fresh = (issuer, jti) not in USED
        USED.add((issuer, jti))
    return fresh


def lifetime(client, grant_type):
    return int(request.form.get("ttl", 3600))


class Jwts(JWTBearerTokenGenerator):
    def get_jwks(self):
        return KeySet([KEY])

    def get_audiences(self, client, user, scope):
        return AUDIENCE


class ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class Password(grants.ResourceOwnerPasswordCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def authenticate_user(self, username, password):
        return User(username) if USERS.get(username) == password else None


class Refresh(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token):
        return REFRESHABLE.get(refresh_token)

    def authenticate_user(self, refresh_token):
        return refresh_token.user

    def revoke_old_credential(self, refresh_token):
        for key in [key for key, token in REFRESHABLE.items() if token is refresh_token]:
            del REFRESHABLE[key]


class Assertions:
    """What the two uses of RFC 7523 have in common."""

    def get_audiences(self):
        return [f"{ISSUER}/token", ISSUER]

    def resolve_client_public_key(self, client):
        return CLIENT_KEY


class ClientAssertion(Assertions, JWTBearerClientAssertion):
    def validate_jti(self, claims, jti):
        return used_once(claims["sub"], jti)


class JwtBearer(Assertions, JWTBearerGrant):
    def process_assertion_claims(self, assertion):
        claims = super().process_assertion_claims(assertion)
        if "jti" not in claims or not used_once(claims["iss"], claims["jti"]):
            raise InvalidGrantError(description="jti is missing, or was used before")
        return claims

    def resolve_issuer_client(self, issuer):
        return CLIENTS["key-jwt"] if issuer == "key-jwt" else None

    def authenticate_user(self, subject):
        return User(subject) if subject in USERS else None

    def has_granted_permission(self, client, user):
        return True


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
            "sub": token.user.name if token.user else name,
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


def save(token, request):
    saved = Token(request.client, request.user, token)
    TOKENS[token["access_token"]] = saved
    if "refresh_token" in token:
        REFRESHABLE[token["refresh_token"]] = saved


REQUESTS, LOCK = [], threading.Lock()
app = Flask(__name__)
server = AuthorizationServer(app, CLIENTS.get, save)
server.register_client_auth_method(PRIVATE_KEY_JWT, ClientAssertion())
opaque = server.create_bearer_token_generator({"OAUTH2_REFRESH_TOKEN_GENERATOR": True})
opaque.expires_generator = lifetime
jwts = Jwts(
    ISSUER, alg="ES256", refresh_token_generator=opaque.refresh_token_generator, expires_generator=lifetime)
server.register_token_generator(
    "default", lambda *args, **kwargs: (jwts if request.form.get("format") == "jwt" else opaque)(*args, **kwargs))
for grant in (ClientCredentials, Password, Refresh, JwtBearer):
    server.register_grant(grant)
for endpoint in (Introspection, IntrospectionByBearer, Revocation):
    server.register_endpoint(endpoint)
protector = ResourceProtector()
protector.register_token_validator(Bearers())


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
        token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post", "private_key_jwt"],
        grant_types_supported=sorted(GRANTS),
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
