//! What no launcher can go below: a process that derives one key and ends.

use std::hint::black_box;
use std::num::NonZeroU32;

use ring::pbkdf2;

fn main() {
    let rounds = NonZeroU32::new(310_000).unwrap();
    let (salt, mut key) = ([7; 16], [0; 32]);
    let password = b"redenv_sk_wX+3/zQ8mN5bV2cL7kJ4hG1fD9sA6pR0";
    // As in the launcher: in this code, which is built for size, it would be so, too.
    let derive: fn(pbkdf2::Algorithm, NonZeroU32, &[u8], &[u8], &mut [u8]) = black_box(pbkdf2::derive);
    derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, black_box(password), &mut key);
    black_box(key);
}
