//! Black-box tests, a file per promise.
