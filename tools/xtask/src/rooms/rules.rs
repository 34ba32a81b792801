//! The rules of the rooms: what may stand where in `src/`, and why.

/// One rule. It refuses `what` in the rooms `within`, except in the rooms `except`.
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) refuses: Refuses,
    /// Rooms the rule is for; `src/` for all.
    pub(super) within: &'static [&'static str],
    /// Rooms (a folder ends in `/`) or files it is not for, each with the reason.
    pub(super) except: &'static [(&'static str, &'static str)],
    pub(super) why: &'static str,
    pub(super) instead: &'static str,
}

/// What a rule looks for.
pub(super) enum Refuses {
    /// Anything below one of these crates.
    Crates(&'static [&'static str]),
    /// These paths and all below them.
    Paths(&'static [&'static str]),
    /// A derived or hand-written implementation of one of these traits.
    Traits(&'static [&'static str]),
    Macros(&'static [&'static str]),
    /// Methods, called with a dot or by their path.
    Methods(&'static [&'static str]),
    /// `unsafe` in any place.
    Unsafe,
    /// An `extern` block, that is: a function of the host.
    ExternBlocks,
}

const ALL: &[&str] = &["src/"];
const HOST: &[(&str, &str)] = &[("src/host/", "the border to the host")];
const CORE_ROOMS: &[&str] =
    &["src/access/", "src/config/", "src/jwt/", "src/keys/", "src/secrets/", "src/tokens/"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "host-sdk",
        refuses: Refuses::Crates(&["proxy_wasm"]),
        within: ALL,
        except: HOST,
        why: "the core must run in the CLI, in a browser and behind another host",
        instead: "hand the value in from src/host/",
    },
    Rule {
        name: "host-import",
        refuses: Refuses::ExternBlocks,
        within: ALL,
        except: HOST,
        why: "a function of the host exists in the module that Envoy loads and nowhere else",
        instead: "declare it in src/host/ and hand its result in",
    },
    Rule {
        name: "unsafe",
        refuses: Refuses::Unsafe,
        within: ALL,
        except: HOST,
        why: "only the border to the host cannot do without",
        instead: "write it in safe Rust",
    },
    Rule {
        name: "host-from-core",
        refuses: Refuses::Paths(&["crate::host"]),
        within: ALL,
        except: HOST,
        why: "the host knows the core, never the other way round",
        instead: "take an argument or a trait, and let src/host/ bring it",
    },
    Rule {
        name: "engine-from-room",
        refuses: Refuses::Paths(&["crate::engine"]),
        within: CORE_ROOMS,
        except: &[],
        why: "the engine puts the rooms together; a room that knows it cannot be used or tested alone",
        instead: "return a value that the engine acts on",
    },
    Rule {
        name: "crypto",
        refuses: Refuses::Crates(&[
            "aes",
            "aes_gcm",
            "aes_keywrap",
            "aws_lc_rs",
            "blake2b_simd",
            "cbc",
            "chacha20",
            "crypto_bigint",
            "der",
            "digest",
            "ecdsa",
            "ed25519_compact",
            "ed25519_dalek",
            "elliptic_curve",
            "hmac",
            "hmac_sha1_compact",
            "hmac_sha256",
            "hmac_sha512",
            "jwt_simple",
            "k256",
            "md5",
            "openssl",
            "p256",
            "p384",
            "p521",
            "pkcs1",
            "pkcs8",
            "primeorder",
            // A stream cipher: what it draws follows from a seed, which is handed in.
            "rand_chacha",
            "rfc6979",
            "ring",
            "rsa",
            "rustls",
            "sec1",
            "sha1",
            "sha2",
            "sha3",
            "signature",
            "spki",
            "subtle",
            "superboring",
            "x509_cert",
            "x509_parser",
        ]),
        within: ALL,
        except: &[
            ("src/jwt/", "its only user"),
            ("src/host/crypto.rs", "what the host's crypto needs around its calls"),
            ("src/host/crypto/", "the same, as a folder"),
        ],
        why: "all cryptography is reviewed, and can be exchanged, in one place",
        instead: "use what crate::jwt offers, or add it there",
    },
    Rule {
        name: "raw-config",
        refuses: Refuses::Traits(&["Deserialize"]),
        within: ALL,
        except: &[
            ("src/config/raw.rs", "the mirror of what the operator writes"),
            ("src/config/raw/", "the same, as a folder"),
            ("src/json.rs", "any JSON, as it came"),
            ("src/jwt/", "tokens and JWK sets: what others send"),
            ("src/keys/", "discovery documents: what others send"),
            ("src/tokens/", "answers of token endpoints, records in shared data: what others send"),
        ],
        why: "the compiled configuration is valid by construction, so serde must not be able to make one",
        instead: "read it in src/config/raw.rs and compile it",
    },
    Rule {
        name: "panic",
        refuses: Refuses::Macros(&["panic", "todo", "unimplemented", "unreachable"]),
        within: ALL,
        except: &[],
        why: "a panic ends the whole VM, with every request in it",
        instead: "return an error",
    },
    Rule {
        name: "unwrap",
        refuses: Refuses::Methods(&[
            "unwrap",
            "unwrap_err",
            "unwrap_unchecked",
            "unwrap_err_unchecked",
            "expect",
            "expect_err",
        ]),
        within: ALL,
        except: &[],
        why: "a panic ends the whole VM, with every request in it",
        instead: "use `?`, `let else` or a default",
    },
    Rule {
        name: "print",
        refuses: Refuses::Macros(&["print", "println", "eprint", "eprintln", "dbg"]),
        within: ALL,
        except: &[],
        why: "what is printed lands in Envoy's log without a level, and may hold a secret",
        instead: "return it, or log it through src/host/",
    },
    Rule {
        name: "clock",
        refuses: Refuses::Paths(&["std::time::SystemTime", "std::time::Instant", "coarsetime", "web_time"]),
        within: ALL,
        except: HOST,
        why: "time is handed in, so that every test can say what time it is",
        instead: "take `now` as an argument (crate::time)",
    },
    Rule {
        name: "randomness",
        refuses: Refuses::Crates(&["rand", "rand_core", "fastrand", "getrandom", "uuid"]),
        within: ALL,
        except: HOST,
        why: "randomness is handed in, so that every test can be repeated",
        instead: "take the random value as an argument",
    },
    Rule {
        name: "outside-world",
        refuses: Refuses::Paths(&[
            "std::env",
            "std::fs",
            "std::io::stdin",
            "std::io::stdout",
            "std::io::stderr",
            "std::net::TcpListener",
            "std::net::TcpStream",
            "std::net::ToSocketAddrs",
            "std::net::UdpSocket",
            "std::os",
            "std::process",
            "std::thread",
            "tokio",
        ]),
        within: ALL,
        except: HOST,
        why: "the core does nothing by itself: what it reads is handed in, what it wants sent it returns",
        instead: "take it as an argument, or return it as a value that src/host/ acts on",
    },
];
