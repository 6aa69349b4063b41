//! The vault that the official clients wrote, in both of the local vault's stores.

use super::fixtures;
use super::redis_server::RedisServer;
use super::vault::Vault;

/// A local vault and what it keeps its hashes in.
pub struct Stored {
    pub name: &'static str,
    pub vault: Vault,
    /// Lives as long as the vault in front of it.
    pub _redis: Option<RedisServer>,
}

/// The fixtures in memory and in a real Redis, for the service token of that name.
pub fn both_stores(token: &str) -> [Stored; 2] {
    let builder = || {
        let builder = Vault::builder().dump(fixtures::dump()).read_only_token("read-only");
        builder.credentials(fixtures::credentials(token))
    };
    let redis = RedisServer::start();
    let behind = builder().redis(&redis.url()).start();
    [
        Stored { name: "memory", vault: builder().start(), _redis: None },
        Stored { name: "a real Redis", vault: behind, _redis: Some(redis) },
    ]
}
