#!/bin/sh
# Makes the keys, certificates and key stores beside this script again, with OpenSSL 3 and keytool (Java 17).
# The tests read the committed files; nothing here runs during a build. Every password is one of the two below.
set -eu
cd "$(dirname "$0")"
rm -rf keys certs stores
mkdir keys certs stores
KEY_PASSWORD=key-password
STORE_PASSWORD=changeit
LEGACY="-provider legacy -provider default"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# Plain keys: every kind and container.
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out keys/rsa.pkcs8.pem
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out keys/rsa1024.pkcs8.pem
openssl rsa -in keys/rsa.pkcs8.pem -traditional -out keys/rsa.pkcs1.pem
openssl pkcs8 -topk8 -nocrypt -in keys/rsa.pkcs8.pem -outform DER -out keys/rsa.pkcs8.der
openssl rsa -in keys/rsa.pkcs8.pem -traditional -outform DER -out keys/rsa.pkcs1.der
for curve in P-256 P-384 P-521; do
    name=$(echo "$curve" | tr -d - | tr P p)
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:$curve -out keys/$name.pkcs8.pem
    openssl ec -in keys/$name.pkcs8.pem -out keys/$name.sec1.pem
done
openssl ec -in keys/p256.pkcs8.pem -outform DER -out keys/p256.sec1.der
openssl pkcs8 -topk8 -nocrypt -in keys/p256.pkcs8.pem -outform DER -out keys/p256.pkcs8.der
openssl ecparam -name prime256v1 -genkey -out keys/p256.ec-parameters-first.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit \
    -out keys/p256.explicit-parameters.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:secp256k1 -out keys/secp256k1.pkcs8.pem
openssl genpkey -algorithm ED25519 -out keys/ed25519.pkcs8.pem
openssl genpkey -algorithm ED448 -out keys/ed448.pkcs8.pem
ssh-keygen -q -t ed25519 -N '' -C test -f "$tmp/ssh" && mv "$tmp/ssh" keys/openssh.pem
sed 's/$/\r/' keys/rsa.pkcs8.pem > keys/rsa.crlf.pem
cat keys/rsa.pkcs8.pem keys/p256.pkcs8.pem > keys/two-keys.pem

# Public halves.
openssl pkey -in keys/rsa.pkcs8.pem -pubout -out keys/rsa.public.pem
openssl pkey -in keys/rsa.pkcs8.pem -pubout -outform DER -out keys/rsa.public.der
openssl rsa -in keys/rsa.pkcs8.pem -RSAPublicKey_out -out keys/rsa.public.pkcs1.pem 2>/dev/null
openssl pkey -in keys/p256.pkcs8.pem -pubout -out keys/p256.public.pem
openssl pkey -in keys/ed25519.pkcs8.pem -pubout -out keys/ed25519.public.pem

# Encrypted PKCS#8. Few iterations, so that the tests are quick.
topk8() { openssl pkcs8 -topk8 -passout "pass:$KEY_PASSWORD" "$@"; }
topk8 -in keys/rsa.pkcs8.pem -out keys/encrypted.pbes2-default.pem
topk8 -in keys/rsa.pkcs8.pem -outform DER -out keys/encrypted.pbes2-default.der
for prf in SHA1 SHA224 SHA256 SHA384 SHA512; do
    topk8 -in keys/rsa.pkcs8.pem -v2prf hmacWith$prf -out "keys/encrypted.pbes2-hmac-$(echo $prf | tr A-Z a-z).pem"
done
for cipher in aes-128-cbc aes-192-cbc aes-256-cbc des3; do
    topk8 -in keys/rsa.pkcs8.pem -v2 $cipher -out keys/encrypted.pbes2-$cipher.pem
done
topk8 -in keys/rsa.pkcs8.pem -scrypt -out keys/encrypted.scrypt.pem
topk8 -in keys/p256.pkcs8.pem -out keys/encrypted.p256.pem
topk8 -in keys/ed25519.pkcs8.pem -out keys/encrypted.ed25519.pem
for pbe in PBE-SHA1-3DES PBE-SHA1-2DES; do
    topk8 -in keys/rsa.pkcs8.pem -v1 $pbe -out "keys/encrypted.$(echo $pbe | tr A-Z a-z).pem"
done
for pbe in PBE-SHA1-RC2-40 PBE-SHA1-RC2-128 PBE-SHA1-RC4-128 PBE-MD5-DES; do
    # shellcheck disable=SC2086
    topk8 $LEGACY -in keys/rsa.pkcs8.pem -v1 $pbe -out "keys/encrypted.$(echo $pbe | tr A-Z a-z).pem"
done

# The encryption of RFC 1421 ("Proc-Type: 4,ENCRYPTED").
for cipher in des3 aes128 aes192 aes256; do
    openssl rsa -in keys/rsa.pkcs8.pem -traditional -$cipher -passout "pass:$KEY_PASSWORD" \
        -out keys/proc-type.$cipher.pem
done
openssl ec -in keys/p256.pkcs8.pem -aes256 -passout "pass:$KEY_PASSWORD" -out keys/proc-type.ec.pem
# shellcheck disable=SC2086
openssl rsa $LEGACY -in keys/rsa.pkcs8.pem -traditional -des -passout "pass:$KEY_PASSWORD" -out keys/proc-type.des.pem

# A certificate authority, a server certificate of it, and a file with certificate and key.
openssl req -x509 -new -key keys/p256.pkcs8.pem -subj "/CN=Test CA" -days 36500 -out certs/ca.pem
openssl x509 -in certs/ca.pem -outform DER -out certs/ca.der
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n' \
    > "$tmp/server.ext"
openssl req -new -key keys/rsa.pkcs8.pem -subj "/CN=localhost" -out "$tmp/server.csr"
openssl x509 -req -in "$tmp/server.csr" -CA certs/ca.pem -CAkey keys/p256.pkcs8.pem -CAcreateserial \
    -CAserial "$tmp/serial" -days 36500 -extfile "$tmp/server.ext" -out certs/server.pem 2>/dev/null
openssl x509 -in certs/server.pem -outform DER -out certs/server.der
cat certs/server.pem certs/ca.pem > certs/chain.pem
{ echo "Some text before the block"; cat certs/server.pem keys/rsa.pkcs8.pem; } > certs/certificate-and-key.pem
openssl crl2pkcs7 -nocrl -certfile certs/chain.pem -out certs/chain.p7b

# Key stores of keytool.
java_store() { keytool -storepass "$STORE_PASSWORD" "$@" 2>/dev/null; }
java_key_store() {
    file=$1 && shift
    openssl pkcs12 -export -inkey keys/rsa.pkcs8.pem -in certs/chain.pem -name server -passout "pass:$STORE_PASSWORD" \
        -out "$tmp/server.p12"
    keytool "$@" -importkeystore -srckeystore "$tmp/server.p12" -srcstoretype pkcs12 -srcstorepass "$STORE_PASSWORD" \
        -destkeystore "$file" -deststoretype pkcs12 -deststorepass "$STORE_PASSWORD" 2>/dev/null
}
java_key_store stores/java.key.p12
java_key_store stores/java.legacy.key.p12 -J-Dkeystore.pkcs12.legacy=true
java_store -importcert -noprompt -alias Authority -file certs/ca.pem -keystore stores/java.trust.p12 -storetype pkcs12
java_store -J-Dkeystore.pkcs12.legacy=true -importcert -noprompt -alias authority -file certs/ca.pem \
    -keystore stores/java.legacy.trust.p12 -storetype pkcs12
several=stores/java.several.p12
java_key_store $several
java_store -genkeypair -alias signing -keyalg EC -groupname secp256r1 -dname CN=signing -validity 36500 \
    -keystore $several -storetype pkcs12
java_store -genseckey -alias aes -keyalg AES -keysize 128 -keystore $several -storetype pkcs12
java_store -importcert -noprompt -alias authority -file certs/ca.pem -keystore $several -storetype pkcs12
java_store -importcert -noprompt -alias authority -file certs/ca.pem -keystore stores/java.jks -storetype jks
java_store -importcert -noprompt -alias authority -file certs/ca.pem -keystore stores/java.jceks -storetype jceks

# Key stores of OpenSSL.
openssl_store() {
    file=$1 && shift
    openssl pkcs12 -export -passout "pass:$STORE_PASSWORD" "$@" -out "stores/openssl.$file.p12" 2>/dev/null
}
openssl_store default -inkey keys/rsa.pkcs8.pem -in certs/chain.pem -name server
openssl_store unnamed -inkey keys/rsa.pkcs8.pem -in certs/chain.pem
openssl_store legacy -legacy -inkey keys/rsa.pkcs8.pem -in certs/chain.pem -name server
openssl_store nomac -nomac -inkey keys/rsa.pkcs8.pem -in certs/chain.pem -name server
openssl_store nomac-encrypted -nomac -certpbe AES-256-CBC -inkey keys/rsa.pkcs8.pem -in certs/chain.pem -name server
openssl_store clear-certificates -certpbe NONE -inkey keys/rsa.pkcs8.pem -in certs/chain.pem -name server
openssl_store clear -keypbe NONE -certpbe NONE -nomac -inkey keys/p256.pkcs8.pem -in certs/ca.pem -name authority
openssl_store mac-sha512 -macalg sha512 -inkey keys/rsa.pkcs8.pem -in certs/chain.pem -name server
openssl_store certificates-only -nokeys -in certs/chain.pem
openssl_store certificates-only-named -nokeys -in certs/chain.pem -caname "Server Certificate" -caname "The CA"
openssl_store aes-128-sha1 -certpbe AES-128-CBC -keypbe PBE-SHA1-2DES -macalg sha1 -inkey keys/rsa.pkcs8.pem \
    -in certs/chain.pem -name server
openssl pkcs12 -export -passout pass: -inkey keys/p256.pkcs8.pem -in certs/ca.pem -name authority \
    -out stores/openssl.empty-password.p12
openssl pkcs12 -export -legacy -passout "pass:grüße€" -inkey keys/p256.pkcs8.pem -in certs/ca.pem -name Schlüssel \
    -out stores/openssl.unicode-password.p12
# One iteration each: the mutation tests open these thousands of times.
openssl_store cheap -iter 1 -nomaciter -inkey keys/p256.pkcs8.pem -in certs/ca.pem -name authority
openssl_store cheap-legacy -legacy -iter 1 -nomaciter -inkey keys/p256.pkcs8.pem -in certs/ca.pem -name authority
