//! The tower layer of portcullis.
