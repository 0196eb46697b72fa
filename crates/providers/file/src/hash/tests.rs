use super::*;

const PASSWORD: &str = "pässword 1";

/// Made by other implementations: argon2-cffi, pyca's bcrypt, OpenSSL's scrypt and PBKDF2.
const FOREIGN: &[&str] = &[
    "$argon2id$v=19$m=16,t=1,p=2$c2FsdHNhbHRzYWx0c2FsdA$2Tisq7J+VJQESgyoQHUA7b/vUwOEmljh6a8XW0gbbGs",
    "$argon2i$v=19$m=16,t=1,p=2$c2FsdHNhbHRzYWx0c2FsdA$TVBkbLBvdNAOXuZA75zqIe0Kp6fp7dK1oTWtdRL+UWE",
    "$argon2d$v=19$m=16,t=1,p=2$c2FsdHNhbHRzYWx0c2FsdA$NzKvRqMAMpZi8IA0UyYAx2d8iK0M9k3C18MASj98Olk",
    "$argon2id$v=16$m=8,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$082fheTk9aKXUS6b2ERtjdk19BSCY4WM",
    "$argon2id$m=8,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$082fheTk9aKXUS6b2ERtjdk19BSCY4WM",
    "$2b$04$c2FsdHNhbHRzYWx0c2FsdO3qsAnPKj/uqzgpLZF/QruuDLhHKLID6",
    "$2a$04$abcdefghijklmnopqrstuu6M4AonsBSlaSmLjwpr7Te.9CyLp4qpK",
    "$2y$04$abcdefghijklmnopqrstuu6M4AonsBSlaSmLjwpr7Te.9CyLp4qpK",
    "$2b$05$abcdefghijklmnopqrstuuEn/eMei1z5h1.4IuwDnjDepo.7LkKxS",
    "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$P9DXf5+NO1OwZ/YN32v3U83Ll+svJrF029wSGeh7PZ0",
    "$pbkdf2-sha256$i=10,l=32$c2FsdHNhbHRzYWx0c2FsdA$SOSFqfrs6gRxKlDW/SqrsJ5Vp92BY87tdrh1D1G1/H8",
    "$pbkdf2-sha256$i=10$c2FsdHNhbHRzYWx0c2FsdA$SOSFqfrs6gRxKlDW/SqrsJ5Vp92BY87tdrh1D1G1/H/eZySGaQAlrYD4TK+JVSfR/cVh1a2Yon1/POxakKxKDQ",
    "$pbkdf2-sha512$i=10,l=64$c2FsdHNhbHRzYWx0c2FsdA$b7obNwcziZwyEIII9B/Fupx4wRIPMTEMrY47LlvZAO6OvGqFan0mCjT1D7JseFB1p+HIsI5IUQUBTKFrYwMsbg",
];

/// The hash of 72 times `a`.
const SEVENTY_TWO: &str = "$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe";

fn matches(hash: &str, password: &[u8]) -> bool {
    PasswordHash::parse(hash).unwrap().matches(password, &Cpu).unwrap()
}

#[track_caller]
fn problem(hash: &str) -> String {
    PasswordHash::parse(hash).map(|hash| hash.parameters()).unwrap_err().to_string()
}

#[test]
fn hashes_of_other_implementations_match_their_password_and_no_other() {
    for hash in FOREIGN {
        assert!(matches(hash, PASSWORD.as_bytes()), "{hash}");
        for wrong in ["", "passwort 1", "pässword 1 ", "Pässword 1", "pa\u{308}ssword 1"] {
            assert!(!matches(hash, wrong.as_bytes()), "{hash} {wrong:?}");
        }
    }
}

#[test]
fn a_salt_with_leftover_bits_is_read_as_other_implementations_do() {
    // `O` and `P` end a salt of the same sixteen bytes.
    assert!(matches("$2b$04$c2FsdHNhbHRzYWx0c2FsdP3qsAnPKj/uqzgpLZF/QruuDLhHKLID6", PASSWORD.as_bytes()));
}

#[test]
fn bcrypt_takes_72_bytes_and_refuses_what_it_would_cut_off() {
    let seventy_two = [b'a'; 72];
    assert!(matches(SEVENTY_TWO, &seventy_two));
    assert!(!matches(SEVENTY_TWO, &[b'a'; 73]), "the 73rd byte is not looked at: anything would match");
    assert!(!matches(SEVENTY_TWO, &seventy_two[..71]));
    // bcrypt repeats the password with the NUL that ends it: `a` and `a\0a` fill the same key.
    let bcrypt = PasswordHash::parse(SEVENTY_TWO).unwrap().parameters();
    let mut computed = [[0; bcrypt::OUTPUT]; 2];
    for (password, output) in [&b"a"[..], b"a\0a"].iter().zip(&mut computed) {
        Cpu.compute(bcrypt, password, &[7; 16], output).unwrap();
    }
    assert_eq!(computed[0], computed[1]);
    assert!(bcrypt.fit(b"a") && bcrypt.fit(&seventy_two));
    assert!(!bcrypt.fit(b"a\0a") && !bcrypt.fit(&[b'a'; 73]));
    assert!(RECOMMENDED.fit(b"a\0a") && RECOMMENDED.fit(&[b'a'; 73]), "argon2 looks at everything");
}

#[test]
fn new_hashes_have_the_recommended_parameters_and_a_salt_of_their_own() {
    let (one, other) = (hash_password("canary-7f3a"), hash_password("canary-7f3a"));
    assert_ne!(one, other);
    for hash in [one, other] {
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(matches(&hash, b"canary-7f3a") && !matches(&hash, b"canary-7f3b"));
        assert_eq!(PasswordHash::parse(&hash).unwrap().parameters(), RECOMMENDED);
        assert!(!hash.contains("canary"));
    }
}

#[test]
fn parameters_out_of_bounds_are_refused_by_name() {
    let salted = "$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo";
    for (hash, expected) in [
        ("$argon2id$v=19$m=1048577,t=1,p=1", "has m=1048577, which is out of bounds: from 8 to 1048576"),
        (
            "$argon2id$v=19$m=4294967295,t=1,p=1",
            "has m=4294967295, which is out of bounds: from 8 to 1048576",
        ),
        ("$argon2id$v=19$m=15,t=1,p=2", "has m=15, which is out of bounds: from 16 to 1048576"),
        ("$argon2id$v=19$m=64,t=65,p=1", "has t=65, which is out of bounds: from 1 to 64"),
        ("$argon2id$v=19$m=64,t=0,p=1", "has t=0, which is out of bounds: from 1 to 64"),
        ("$argon2id$v=19$m=4096,t=1,p=17", "has p=17, which is out of bounds: from 1 to 16"),
        ("$argon2id$v=19$m=4096,t=1,p=0", "has p=0, which is out of bounds: from 1 to 16"),
        (
            "$argon2id$v=19$m=1048576,t=5,p=1",
            "has m=1048576 and t=5, which together are out of bounds: m times t up to 4194304",
        ),
        ("$argon2id$v=20$m=64,t=1,p=1", "has the version 20: argon2 knows 19 and 16"),
        ("$scrypt$ln=24,r=1,p=1", "has ln=24, which is out of bounds: from 1 to 23"),
        ("$scrypt$ln=4,r=33,p=1", "has r=33, which is out of bounds: from 1 to 32"),
        ("$scrypt$ln=4,r=8,p=17", "has p=17, which is out of bounds: from 1 to 16"),
        (
            "$scrypt$ln=21,r=8,p=1",
            "has ln=21, r=8 and p=1, which together are out of bounds: 128·r·2^ln up to 1073741824, and up to 4294967296 times p",
        ),
        (
            "$scrypt$ln=20,r=8,p=5",
            "has ln=20, r=8 and p=5, which together are out of bounds: 128·r·2^ln up to 1073741824, and up to 4294967296 times p",
        ),
        ("$scrypt$v=1$ln=4,r=8,p=1", "has a version, which its algorithm does not"),
        ("$pbkdf2-sha256$i=10000001", "has i=10000001, which is out of bounds: from 1 to 10000000"),
        ("$pbkdf2-sha512$i=0", "has i=0, which is out of bounds: from 1 to 10000000"),
        ("$pbkdf2-sha512$i=1,l=64", "has l=64 and a hash of 12 bytes"),
    ] {
        assert_eq!(problem(&format!("{hash}{salted}")), expected, "{hash}");
    }
    for (hash, expected) in [
        ("$2b$17$", "has the bcrypt cost 17, which is out of bounds: from 4 to 16"),
        ("$2b$31$", "has the bcrypt cost 31, which is out of bounds: from 4 to 16"),
        ("$2b$03$", "has the bcrypt cost 3, which is out of bounds: from 4 to 16"),
        ("$2x$04$", "is a bcrypt hash of the faulty version $2x$: make a new one"),
    ] {
        assert_eq!(problem(&format!("{hash}{}", &SEVENTY_TWO[7..])), expected, "{hash}");
    }
    // The bounds themselves are allowed.
    for hash in [
        "$argon2id$v=19$m=1048576,t=4,p=16",
        "$argon2id$v=19$m=8,t=64,p=1",
        "$scrypt$ln=20,r=8,p=4",
        "$pbkdf2-sha256$i=10000000",
    ] {
        PasswordHash::parse(&format!("{hash}{salted}")).unwrap();
    }
}

#[test]
fn malformed_hashes_are_refused_with_their_reason() {
    let known = "argon2id, scrypt, pbkdf2-sha256 or pbkdf2-sha512 as a PHC string, or bcrypt as $2b$";
    let unknown = format!("is of an algorithm that is not known here: use {known}");
    let bcrypt = "is no bcrypt hash: expected $2b$, two digits, $, and 53 characters";
    for (hash, expected) in [
        ("", "is empty: `portcullis hash` makes one"),
        ("secret1", &*format!("is no PHC string, which starts with `$`: use {known}")),
        ("$", &unknown),
        ("$6$salt$hash", &unknown),
        ("$pbkdf2$i=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo", &unknown),
        ("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNö", "holds characters outside ASCII"),
        ("$argon2id", "lacks a salt or a hash"),
        ("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0", "lacks a salt or a hash"),
        ("$argon2id$v=19$m=64,t=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo", "lacks the parameter p"),
        ("$argon2id$v=19$m=64,t=1,p=1,m=65$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo", "has the parameter m twice"),
        (
            "$argon2id$v=19$m=64,t=1,p=1,keyid=AAAA$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo",
            "has a parameter keyid that is not known here",
        ),
        (
            "$argon2id$v=19$m=x,t=1,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNo",
            "has a parameter m that is no number",
        ),
        ("$2b$", bcrypt),
        ("$2b$04$abc", bcrypt),
        ("$2c$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe", bcrypt),
        ("$2b$+4$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe", bcrypt),
        ("$2b$04$abcdefghijklmnopqrst!uBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe", bcrypt),
        ("$2b$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0W$e", bcrypt),
        ("$2b$04$abcdefghijklmnopqrsöuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNee", bcrypt),
    ] {
        assert_eq!(problem(hash), expected, "{hash}");
    }
    assert!(
        problem("$argon2id$v=19$m=64,t=1,p=1$c2E$aGFzaGhhc2hoYXNo")
            .starts_with("is no PHC string: salt too short")
    );
    assert!(
        problem("$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$aGE")
            .starts_with("is no PHC string: output size too short")
    );
}

/// RUSTSEC-2026-0199: slicing a hash inside a character panicked.
#[test]
fn no_mutation_of_a_hash_panics() {
    for hash in FOREIGN {
        let boundary = |at: usize| hash.get(..at).zip(hash.get(at..)).unwrap();
        for at in 0..hash.len() {
            let (before, after) = boundary(at);
            let rest = &after[1..];
            for other in ["", "$", "=", ",", "é", "\u{1f512}", "\0", "99999999999", "$$"] {
                _ = PasswordHash::parse(&format!("{before}{other}{rest}"));
                _ = PasswordHash::parse(&format!("{before}{other}{after}"));
            }
            _ = PasswordHash::parse(before);
            _ = PasswordHash::parse(after);
        }
    }
}

#[test]
fn hashes_with_equal_parameters_cost_the_same_and_others_do_not() {
    let parameters = |hash: &str| PasswordHash::parse(hash).unwrap().parameters();
    assert_eq!(parameters(FOREIGN[6]), parameters(FOREIGN[7]), "$2a$ and $2y$ are one algorithm");
    assert_eq!(parameters(FOREIGN[3]), parameters(FOREIGN[4]), "no version is the first version");
    for (one, other) in [(0, 1), (0, 3), (5, 8), (9, 10), (10, 11), (10, 12)] {
        assert_ne!(parameters(FOREIGN[one]), parameters(FOREIGN[other]));
    }
}

#[test]
fn memory_is_known_before_it_is_taken() {
    let memory = |hash: &str| PasswordHash::parse(hash).unwrap().parameters().memory();
    assert_eq!(RECOMMENDED.memory(), 19 << 20);
    assert_eq!(memory(FOREIGN[0]), 16 << 10);
    assert_eq!(memory(FOREIGN[9]), 128 * 8 * (16 + 2));
    assert_eq!(memory(FOREIGN[5]), 4096);
}

#[test]
fn debug_shows_parameters_and_no_digest() {
    let text = format!("{:?}", PasswordHash::parse(FOREIGN[10]).unwrap());
    assert_eq!(
        text,
        "PasswordHash { parameters: Pbkdf2(Parameters { prf: Sha256, rounds: 10, blocks: 1 }), .. }"
    );
}
