//! The fixtures in both backends of the local vault: memory and a real Redis.

use super::fixtures;
use super::redis_server::RedisServer;
use super::vault::Vault;

/// A local vault and the name of its backend.
pub struct Stored {
    pub name: &'static str,
    pub vault: Vault,
    /// Keeps the Redis running.
    pub _redis: Option<RedisServer>,
}

/// The fixtures in both backends, for the service token called `token`.
pub fn both_backends(token: &str) -> [Stored; 2] {
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
