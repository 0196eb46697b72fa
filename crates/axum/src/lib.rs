//! Everything of portcullis that names axum: router, extractors, HTTPS listener.

pub mod serve;
