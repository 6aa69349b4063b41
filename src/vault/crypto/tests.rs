use proptest::prelude::*;

use super::*;

fn key(hex: &str) -> Key {
    Key::from_hex(&SecretText::new(hex.into())).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// The protocol's derived key, computed by another implementation (Python's `hashlib`). It depends on the
/// 310,000 rounds, and on the password's prefix and UTF-8.
#[test]
fn the_token_key_is_pbkdf2_with_310_000_rounds() {
    let password = SecretText::new("redenv_sk_grüße+/=".into());
    let salt = Salt::from_hex("000102030405060708090a0b0c0d0e0f").unwrap();
    assert_eq!(
        Key::derive(&password, &salt).to_hex().expose(),
        "9c97d86b0b662341381191fb701e4feab8c5bf63869a6ef205538437b67d0c53"
    );
}

/// RFC 7914, section 11: PBKDF2-HMAC-SHA256, the first half of its 64 bytes.
#[test]
fn the_derivation_gives_what_rfc_7914_says() {
    for (password, salt, rounds, expected) in [
        ("passwd", "salt", 1, "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"),
        ("Password", "NaCl", 80_000, "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"),
    ] {
        let mut bytes = [0; KEY_LEN];
        let rounds = NonZeroU32::new(rounds).unwrap();
        pbkdf2::derive(PRF, rounds, salt.as_bytes(), password.as_bytes(), &mut bytes);
        assert_eq!(hex(&bytes), expected, "{password}");
    }
}

/// Vectors of NIST (the GCM specification's test cases 13 to 15) and of Wycheproof (by their
/// `tcId`), all without associated data: key, IV, ciphertext, tag, and the plaintext in hex.
const VECTORS: &[(&str, &str, &str, &str, &str, &str)] = &[
    (
        "NIST 13",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000",
        "",
        "530f8afbc74536b9a963b4f1c4cb738b",
        "",
    ),
    (
        "NIST 14",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "000000000000000000000000",
        "cea7403d4d606b6e074ec5d3baf39d18",
        "d0d1c8a799996bf0265b98b5d48ab919",
        "00000000000000000000000000000000",
    ),
    (
        "NIST 15",
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
         8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
        "b094dac5d93471bdec1a502270e3cc6c",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
         1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
    ),
    (
        "Wycheproof 93",
        "80ba3192c803ce965ea371d5ff073cf0f43b6a2ab576b208426e11409c09b9b0",
        "4da5bf8dfd5852c1ea12379d",
        "",
        "4771a7c404a472966cea8f73c8bfe17a",
        "",
    ),
    (
        "Wycheproof 94",
        "cc56b680552eb75008f5484b4cb803fa5063ebd6eab91f6ab6aef4916a766273",
        "99e23ec48985bccdeeab60f1",
        "06",
        "633c1e9703ef744ffffb40edf9d14355",
        "2a",
    ),
    (
        "Wycheproof 97",
        "59d4eafb4de0cfc7d3db99a8f54b15d7b39f0acc8da69763b019c1699f87674a",
        "2fcb1b38a99e71b84740ad9b",
        "f58c16690122d75356907fd96b570fca",
        "28752c20153092818faba2a334640d6e",
        "549b365af913f3b081131ccb6b825588",
    ),
    (
        "Wycheproof 128, a tag of ones",
        "00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f",
        "000000000000000000000000",
        "23293e9b07ca7d1b0cae7cc489a973b3",
        "ffffffffffffffffffffffffffffffff",
        "561008fa07a68f5c61285cd013464eaf",
    ),
    (
        "Wycheproof 129, a tag of zeros",
        "00112233445566778899aabbccddeeff102132435465768798a9bacbdcedfe0f",
        "ffffffffffffffffffffffff",
        "7cb6fc7c6abc009efe9551a99f36a421",
        "00000000000000000000000000000000",
        "c6152244cea1978d3e0bc274cf8c0b3b",
    ),
];

#[test]
fn published_vectors_decrypt() {
    for (name, hex_key, iv, ciphertext, tag, plain) in VECTORS {
        let plain = base16ct::lower::decode_vec(plain).unwrap();
        let decrypted = key(hex_key).decrypt(&format!("{iv}.{ciphertext}{tag}"));
        // Most plaintexts are not UTF-8. This error comes after the check of the tag, so the tag is right.
        match String::from_utf8(plain) {
            Ok(text) => assert_eq!(decrypted.unwrap().expose(), text, "{name}"),
            Err(_) => assert_eq!(decrypted.unwrap_err(), DecryptError::NotUtf8, "{name}"),
        }
    }
}

/// Wycheproof's vectors of modified tags, 130 to 148, all of one text.
#[test]
fn a_flipped_bit_in_the_tag_is_refused() {
    let key = key("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    let decrypt =
        |tag: &str| key.decrypt(&format!("505152535455565758595a5b.b2061457c0759fc1749f174ee1ccadfa{tag}"));
    assert_eq!(decrypt("9ce8fef6d8ab1bf1bf887232eab590dd").unwrap().expose(), " !\"#$%&'()*+,-./");
    for tag in [
        "9de8fef6d8ab1bf1bf887232eab590dd",
        "9ee8fef6d8ab1bf1bf887232eab590dd",
        "1ce8fef6d8ab1bf1bf887232eab590dd",
        "9ce9fef6d8ab1bf1bf887232eab590dd",
        "9ce8fe76d8ab1bf1bf887232eab590dd",
        "9ce8fef6d9ab1bf1bf887232eab590dd",
        "9ce8fef6daab1bf1bf887232eab590dd",
        "9ce8fef6d8ab1b71bf887232eab590dd",
        "9ce8fef6d8ab1bf1be887232eab590dd",
        "9ce8fef6d8ab1bf13f887232eab590dd",
        "9ce8fef6d8ab1bf1bfa87232eab590dd",
        "9ce8fef6d8ab1bf1bf887332eab590dd",
        "9ce8fef6d8ab1bf1bf887232ebb590dd",
        "9ce8fef6d8ab1bf1bf887232e8b590dd",
        "9ce8fef6d8ab1bf1bf8872326ab590dd",
        "9ce8fef6d8ab1bf1bf887232eab590dc",
        "9ce8fef6d8ab1bf1bf887232eab590df",
        "9ce8fef6d8ab1bf1bf887232eab5909d",
        "9ce8fef6d8ab1bf1bf887232eab5905d",
    ] {
        assert_eq!(decrypt(tag).unwrap_err(), DecryptError::Tag, "{tag}");
    }
}

#[test]
fn a_malformed_ciphertext_is_named_by_its_part() {
    const IV: &str = "505152535455565758595a5b";
    let key = key(&"00".repeat(32));
    let no_iv = "the IV is not 24 hex digits";
    let no_hex = "the ciphertext is not hex";
    let short = "the ciphertext is shorter than its tag";
    for (text, what) in [
        ("", "there is no dot"),
        ("00", "there is no dot"),
        (".", no_iv),
        (&format!(".{}", "00".repeat(16)), no_iv),
        (&format!("{IV}00.{}", "00".repeat(16)), no_iv),
        (&format!("{}.{}", &IV[1..], "00".repeat(16)), no_iv),
        (&format!("{}.{}", &IV[2..], "00".repeat(16)), no_iv),
        (&format!("zz{}.{}", &IV[2..], "00".repeat(16)), no_iv),
        (&format!(" {IV}.{}", "00".repeat(16)), no_iv),
        (&format!("0x{IV}.{}", "00".repeat(16)), no_iv),
        (&format!("0x{}.{}", &IV[2..], "00".repeat(16)), no_iv),
        (&format!("{IV}."), short),
        (&format!("{IV}.{}", "00".repeat(15)), short),
        (&format!("{IV}.0{}", "00".repeat(16)), no_hex),
        (&format!("{IV}.{} ", "00".repeat(16)), no_hex),
        (&format!("{IV}.{}.00", "00".repeat(16)), no_hex),
        (&format!("{IV}.{}é", "00".repeat(16)), no_hex),
        (&format!("{IV}.0x{}", "00".repeat(16)), no_hex),
    ] {
        assert_eq!(key.decrypt(text).unwrap_err(), DecryptError::Form(what), "{text}");
    }
}

#[test]
fn hex_may_be_of_either_case() {
    let (_, hex_key, iv, ciphertext, tag, _) = VECTORS[4];
    let encrypted = format!("{iv}.{ciphertext}{tag}");
    assert_eq!(key(&hex_key.to_uppercase()).decrypt(&encrypted.to_uppercase()).unwrap().expose(), "*");
    assert_eq!(
        Salt::from_hex("0A0b0C0d0E0f00112233445566778899").unwrap().to_string(),
        "0a0b0c0d0e0f00112233445566778899"
    );
}

#[test]
fn salts_and_keys_of_another_length_are_refused() {
    for digits in [0, 2, 30, 31, 33, 34, 64] {
        assert_eq!(Salt::from_hex(&"0".repeat(digits)), None, "{digits}");
    }
    for digits in [0, 32, 62, 63, 65, 66, 128] {
        let bad = Key::from_hex(&SecretText::new("0".repeat(digits))).map(drop);
        assert!(matches!(bad, Err(DecryptError::Form(_))), "{digits}");
    }
}

#[test]
fn a_mac_is_of_its_key_its_purpose_and_its_parts() {
    let pek = key(&"01".repeat(32));
    let mac_key = pek.mac_key(b"purpose");
    let mac = mac_key.sign(&[b"ab", b"c"]);
    assert!(mac_key.verify(&[b"ab", b"c"], &mac));
    for parts in [&[&b"a"[..], b"bc"][..], &[b"abc"], &[b"ab", b"c", b""], &[b"ab", b"d"]] {
        assert!(!mac_key.verify(parts, &mac), "{parts:?}");
    }
    for other in ["", "00", "zz", &mac[2..], &format!("{mac}00")] {
        assert!(!mac_key.verify(&[b"ab", b"c"], other), "{other}");
    }
    assert!(!pek.mac_key(b"another").verify(&[b"ab", b"c"], &mac));
    assert!(!key(&"02".repeat(32)).mac_key(b"purpose").verify(&[b"ab", b"c"], &mac));
}

proptest! {
    #[test]
    fn a_text_decrypts_with_its_own_key_alone(text in any::<String>()) {
        let encrypted = key(&"07".repeat(32)).encrypt(&SecretText::new(text.clone())).unwrap();
        let plain = key(&"07".repeat(32)).decrypt(&encrypted).unwrap();
        prop_assert_eq!(plain.expose(), text.as_str());
        let other = key(&"08".repeat(32)).decrypt(&encrypted);
        prop_assert_eq!(other.unwrap_err(), DecryptError::Tag);
    }

    #[test]
    fn a_text_never_encrypts_to_the_same_twice(text in any::<String>()) {
        let key = key(&"07".repeat(32));
        let encrypt = || key.encrypt(&SecretText::new(text.clone())).unwrap();
        prop_assert_ne!(encrypt(), encrypt());
    }

    #[test]
    fn a_changed_digit_is_refused(text in any::<String>(), at in any::<prop::sample::Index>()) {
        let key = key(&"07".repeat(32));
        let mut encrypted = key.encrypt(&SecretText::new(text)).unwrap().into_bytes();
        let at = at.index(encrypted.len());
        encrypted[at] = if encrypted[at] == b'0' { b'1' } else { b'0' };
        prop_assert!(key.decrypt(str::from_utf8(&encrypted).unwrap()).is_err());
    }

    #[test]
    fn no_text_makes_decryption_panic(text in any::<String>(), likely in "[0-9a-fA-F]{20,28}\\.[0-9a-fA-F.]{0,80}") {
        let key = key(&"07".repeat(32));
        prop_assert!(key.decrypt(&text).is_err());
        prop_assert!(key.decrypt(&likely).is_err());
        let _ = Salt::from_hex(&text);
    }
}
