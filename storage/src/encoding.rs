//! Bytes to integers and back.
