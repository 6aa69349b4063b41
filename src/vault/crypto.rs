//! The protocol's cryptography: bytes in, bytes out. The only file that names `ring`.
//!
//! | what | formula | source |
//! | --- | --- | --- |
//! | token key | PBKDF2-HMAC-SHA256(password, salt, 310,000 iterations, 32 bytes) | RFC 8018, section 5.2 |
//! | encryption | AES-256-GCM, 12-byte IV, 16-byte tag, no associated data | NIST SP 800-38D |
//! | MAC key | HKDF-SHA256(PEK, no salt, info) | RFC 5869 |
//! | MAC | HMAC-SHA256 | RFC 2104 |
//!
//! All parameters are constants: nothing that Upstash sends can lower them.

use std::fmt;
use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{hkdf, hmac, pbkdf2};
use zeroize::Zeroizing;

use crate::secret::SecretText;

/// A derivation from rounds, salt and password. It fills the key, and returns the time that it took.
type Derive = fn(NonZeroU32, &[u8], &[u8], &mut [u8; KEY_LEN]) -> Duration;
/// The derivation's pseudo-random function.
const PRF: pbkdf2::Algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
/// Iterations of the key derivation.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(310_000).unwrap();
/// Rounds of the trial that shows which place on the stack is faster. They take about 15 µs.
const TRIAL: NonZeroU32 = NonZeroU32::new(100).unwrap();
/// Bytes of half a page of memory.
const HALF_PAGE: usize = 2048;
/// Bytes of a key, of the PEK, and of a MAC.
const KEY_LEN: usize = 32;
/// Bytes of AES-GCM's tag.
const TAG_LEN: usize = 16;
/// Bytes of a salt.
const SALT_LEN: usize = 16;

/// The salt of a key derivation: 16 bytes, public, in hex wherever it is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Salt([u8; SALT_LEN]);

impl Salt {
    /// Reads 32 hex digits of either case.
    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).map(|bytes| Self(*bytes))
    }

    /// A fresh salt from the system's random source.
    pub(crate) fn random() -> Result<Self, NoRandomness> {
        random_bytes().map(Self)
    }
}

impl fmt::Display for Salt {
    /// 32 lower-case hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base16ct::lower::encode_string(&self.0))
    }
}

/// The system's random source failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRandomness;

/// Why a text could not be decrypted. Says nothing about its content.
#[derive(thiserror::Error, Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum DecryptError {
    /// It is not `<hex IV>.<hex ciphertext and tag>`.
    #[error("its ciphertext is malformed: {0}")]
    Form(&'static str),
    /// The tag doesn't match.
    #[error("its value can't be decrypted: damaged, or encrypted for another project")]
    Tag,
    #[error("its value is not UTF-8")]
    NotUtf8,
}

/// A 256-bit key: the token key, the master key, or the project's key (PEK).
///
/// ring does not wipe its copy of the key (`cipher`). The allocator wipes it when the key is dropped.
pub(crate) struct Key {
    bytes: Zeroizing<[u8; KEY_LEN]>,
    cipher: LessSafeKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// PBKDF2-HMAC-SHA256 over the UTF-8 bytes of the whole password, prefix included.
    pub(crate) fn derive(password: &SecretText, salt: &Salt) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        let mut run =
            |derive: Derive, rounds| derive(rounds, &salt.0, password.expose().as_bytes(), &mut bytes);
        // The shorter of two: the first one may have to wait for memory.
        let mut trial = |derive| run(derive, TRIAL).min(run(derive, TRIAL));
        let (here, further): (Derive, Derive) = (derive_at::<0>, derive_at::<HALF_PAGE>);
        let faster = if trial(here) <= trial(further) { here } else { further };
        run(faster, ITERATIONS);
        Self::new(bytes)
    }

    /// Reads the PEK's text, 64 hex digits.
    pub(crate) fn from_hex(text: &SecretText) -> Result<Self, DecryptError> {
        let bytes = from_hex(text.expose());
        bytes.map(Self::new).ok_or(DecryptError::Form("the project key in it is not 64 hex digits"))
    }

    /// The inverse of [`Key::from_hex`]: 64 lower-case hex digits, to be encrypted with another key.
    pub(crate) fn to_hex(&self) -> SecretText {
        SecretText::new(base16ct::lower::encode_string(&*self.bytes))
    }

    fn new(bytes: Zeroizing<[u8; KEY_LEN]>) -> Self {
        #[expect(clippy::expect_used, reason = "the array has AES-256's 32 bytes by its type")]
        let cipher = UnboundKey::new(&AES_256_GCM, &*bytes).expect("a key of 32 bytes");
        Self { bytes, cipher: LessSafeKey::new(cipher) }
    }

    /// Decrypts `<hex IV>.<hex of ciphertext followed by tag>`.
    pub(crate) fn decrypt(&self, text: &str) -> Result<SecretText, DecryptError> {
        let (iv_hex, rest_hex) = text.split_once('.').ok_or(DecryptError::Form("there is no dot"))?;
        let iv: Zeroizing<[u8; NONCE_LEN]> =
            from_hex(iv_hex).ok_or(DecryptError::Form("the IV is not 24 hex digits"))?;
        let bytes = base16ct::mixed::decode_vec(rest_hex)
            .map_err(|_| DecryptError::Form("the ciphertext is not hex"))?;
        let mut bytes = Zeroizing::new(bytes);
        if bytes.len() < TAG_LEN {
            return Err(DecryptError::Form("the ciphertext is shorter than its tag"));
        }
        let nonce = Nonce::assume_unique_for_key(*iv);
        let plain = self.cipher.open_in_place(nonce, Aad::empty(), &mut bytes);
        let length = plain.map_err(|_| DecryptError::Tag)?.len();
        bytes.truncate(length);
        SecretText::from_utf8(bytes).map_err(|_| DecryptError::NotUtf8)
    }

    /// Decrypts the PEK.
    pub(crate) fn decrypt_key(&self, text: &str) -> Result<Self, DecryptError> {
        Self::from_hex(&self.decrypt(text)?)
    }

    /// Encrypts text with a fresh IV, in the form that [`Key::decrypt`] reads.
    pub(crate) fn encrypt(&self, text: &SecretText) -> Result<String, NoRandomness> {
        let iv: [u8; NONCE_LEN] = random_bytes()?;
        let plain = text.expose().as_bytes();
        let mut buffer = Zeroizing::new(Vec::with_capacity(plain.len() + TAG_LEN));
        buffer.extend_from_slice(plain);
        self.cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(iv), Aad::empty(), &mut *buffer)
            .map_err(|_| NoRandomness)?;
        let (iv, rest) = (base16ct::lower::encode_string(&iv), base16ct::lower::encode_string(&buffer));
        Ok(format!("{iv}.{rest}"))
    }

    /// A MAC key bound to this key and to `purpose` (RFC 5869, with `purpose` as the info).
    pub(crate) fn mac_key(&self, purpose: &'static [u8]) -> MacKey {
        let pseudo_random = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&*self.bytes);
        #[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 8,160 bytes, 32 are asked for")]
        pseudo_random
            .expand(&[purpose], hmac::HMAC_SHA256)
            .map(|okm| MacKey(okm.into()))
            .expect("32 bytes of HKDF")
    }
}

/// Runs ring's derivation `FURTHER` bytes down the stack, and returns how long it took.
///
/// A derivation takes up to a fifth longer if its part of the stack has the same low 12 address bits as ring's
/// constants ("4K aliasing"). A third of all places is that slow, and each build moves the constants and the
/// stack. Of two places half a page apart, at least one is fast.
#[inline(never)]
fn derive_at<const FURTHER: usize>(
    rounds: NonZeroU32,
    salt: &[u8],
    password: &[u8],
    key: &mut [u8; KEY_LEN],
) -> Duration {
    let start = Instant::now();
    let unused = [0_u8; FURTHER];
    black_box(&unused);
    // Hidden from the optimiser, which would inline ring's function and change its place on the stack.
    let derive = black_box(pbkdf2::derive as fn(_, _, &[u8], &[u8], &mut [u8]));
    derive(PRF, rounds, salt, password, key);
    black_box(&unused);
    start.elapsed()
}

/// A key for [HMAC-SHA256](https://www.rfc-editor.org/rfc/rfc2104).
pub(crate) struct MacKey(hmac::Key);

impl MacKey {
    /// The MAC over `parts`, as 64 lower-case hex digits. Before each part, the MAC covers the part's length,
    /// so that no two lists of parts give the same bytes.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        base16ct::lower::encode_string(context.sign().as_ref())
    }

    /// Whether `mac` is the MAC over `parts`, as `sign` writes it.
    ///
    /// ring's constant-time comparison is private. So this computes a MAC of both texts, and compares these
    /// MACs with `hmac::verify`.
    pub(crate) fn verify(&self, parts: &[&[u8]], mac: &str) -> bool {
        let expected = hmac::sign(&self.0, self.sign(parts).as_bytes());
        hmac::verify(&self.0, mac.as_bytes(), expected.as_ref()).is_ok()
    }
}

/// The bytes of hex digits of either case, if they are exactly `N` bytes.
fn from_hex<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    let length = base16ct::mixed::decode(text, &mut *bytes).ok()?.len();
    (length == N).then_some(bytes)
}

/// Bytes from the system's random source.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
