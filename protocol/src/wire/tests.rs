//! Behaviour of the primitive reader and writer at their limits.
