//! Derives one key with ring and exits: the part of every launch that can't be saved.
//!
//! Prints how many milliseconds the derivation took, without the start of the process.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::Instant;

use ring::pbkdf2;

fn main() {
    let iterations = NonZeroU32::new(310_000).unwrap();
    let (salt, mut key) = ([7; 16], [0; 32]);
    let password = b"redenv_sk_wX+3/zQ8mN5bV2cL7kJ4hG1fD9sA6pR0";
    let start = Instant::now();
    // As redenv-run calls it: through a pointer, because the inlined function is slower.
    let derive: fn(pbkdf2::Algorithm, NonZeroU32, &[u8], &[u8], &mut [u8]) = black_box(pbkdf2::derive);
    derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, &salt, black_box(password), &mut key);
    let took = start.elapsed();
    black_box(key);
    println!("{}", took.as_secs_f64() * 1e3);
}
