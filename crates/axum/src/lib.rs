//! Everything of portcullis that names axum: router, extractors, HTTPS listener.
