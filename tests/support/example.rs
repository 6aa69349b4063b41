//! The example project of `local-vault --example`, which the README and the demo use.

use super::project::Project;

/// A small project of a web shop.
pub fn project() -> Project {
    Project::new("shop")
        .secret("development", "DB_USER", "shop")
        .secret("development", "DB_PASSWORD", "only-for-this-example")
        .history("development", "DB_HOST", &["db.internal", "old-db.internal"])
        .secret("development", "DATABASE_URL", "postgres://${DB_USER}:${DB_PASSWORD}@${DB_HOST}/shop")
        .secret("development", "GREETING", "Good morning, 世界")
        .secret("production", "DB_HOST", "db.shop.example")
        .secret("production", "GREETING", "Good morning from production")
}
