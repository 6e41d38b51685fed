//! Other people's formats: views over bytes, length checked once, never a panic.
