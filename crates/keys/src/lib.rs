//! Keys, certificates and key stores for portcullis: PEM, PKCS#12, encrypted keys, X.509, rustls configurations.
