//! OAuth2 token introspection (RFC 7662) and grants (RFC 6749) for portcullis.
