//! Authentication and authorization for tower, axum and hyper, from code or from Config.toml.
