-- The table that the example looks into, with two users for trying it out.
-- The hash of a password of yours: `portcullis hash`.

CREATE TABLE users (
    name          TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,
    scopes        TEXT NOT NULL DEFAULT ''       -- separated by blanks
) STRICT;

-- alice, "wonderland"
INSERT INTO users VALUES ('alice', '$argon2id$v=19$m=19456,t=2,p=1$g5Icjzw6CIyL8aIMaBHXJg$W3qe3iUd0Le8p9N2fVosXsfR7B4Cr+7D5E8kQq4Slwo', 'hello');

-- bob, "builder": known, and without the scope hello
INSERT INTO users VALUES ('bob', '$argon2id$v=19$m=19456,t=2,p=1$XW8c2sZQMoTlDwmAvs6fxw$3AbbLZotmM4QDke2CG0F/Sx4FL5qkBY9TTvEjM1yVgE', '');
